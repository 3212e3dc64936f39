/** Two codes side by side, and the walk from one to the other. */

import { ask } from "./answer.js";
import { button, drawPixels, element, garmentCanvas, setText } from "./dom.js";
import { decode } from "./network.js";
import { rounded } from "./text.js";
import { between, Walk } from "./walk.js";

/** @typedef {import("./scene.js").Scene} Scene */

const NEAREST = 4;

/**
 * @typedef {object} End
 * @property {HTMLElement} root
 * @property {HTMLCanvasElement} picture
 * @property {HTMLElement} title
 * @property {HTMLElement[]} by the name of each rule
 * @property {HTMLCanvasElement[][]} nearest
 * @property {HTMLElement} shared
 */

export class Compare {
  /**
   * @param {HTMLElement} root
   * @param {{goTo: (z: number[], gesture?: string) => void, settled: () => void}} calls
   */
  constructor(root, calls) {
    this.calls = calls;
    /** @type {Record<number, {z: number[], name: string}[]>} both ends for each model */
    this.ends = {};
    /** @type {Scene | undefined} */
    this.scene = undefined;
    this.drawn = "";
    this.walk = new Walk((t) => this.step(t));
    this.views = [0, 1].map((which) => this.end(which));
    this.slider = element("input", {
      type: "range",
      min: 0,
      max: 1,
      step: 0.005,
      value: 0,
      "aria-label": "How far from A to B",
    });
    this.slider.addEventListener("input", () => {
      this.stop();
      this.walk.t = this.slider.valueAsNumber;
      this.step(this.walk.t);
    });
    this.slider.addEventListener("change", () => this.calls.settled());
    this.playButton = button("▶ Walk from A to B", () =>
      this.walk.playing ? this.stop() : this.play(),
    );
    root.append(
      element(
        "p",
        { class: "hint" },
        "Pin two codes and compare what is nearest to them, or walk from one to the other: z moves along the straight line between them, and the picture and both rows above follow.",
      ),
      element(
        "div",
        { class: "compare" },
        this.views[0].root,
        element("div", { class: "between" }, this.playButton, this.slider),
        this.views[1].root,
      ),
    );
  }

  /**
   * @param {number} which
   * @returns {End}
   */
  end(which) {
    const letter = "AB"[which];
    const picture = garmentCanvas("large");
    const title = element("span");
    const by = [0, 1].map((row) => element("span", { class: `by lane-${row}` }));
    const nearest = by.map(() => Array.from({ length: NEAREST }, () => garmentCanvas()));
    const shared = element("span", { class: "small" });
    const root = element(
      "section",
      { class: "end", "aria-label": `The code ${letter}` },
      picture,
      element(
        "div",
        {},
        element("p", {}, element("b", {}, `${letter} `), title),
        ...by.map((name, row) => element("p", { class: "nearest" }, name, ...nearest[row])),
        element("p", {}, shared),
        element(
          "p",
          { class: "buttons" },
          button("Pin z here", () => this.pin(which), { "aria-label": `Pin z as ${letter}` }),
          button("Go there", () => this.go(which), { "aria-label": `Go to ${letter}` }),
        ),
      ),
    );
    return { root, picture, title, by, nearest, shared };
  }

  play() {
    this.walk.play();
    setText(this.playButton, "❚❚ Pause");
  }

  /** Stop walking, where the page does. */
  stop() {
    if (!this.walk.playing) return;
    this.walk.pause();
    setText(this.playButton, "▶ Walk from A to B");
    this.calls.settled();
  }

  /** @param {number} t */
  step(t) {
    if (!this.scene) return;
    const [a, b] = this.ends[this.scene.latentDim];
    this.slider.value = String(t);
    this.calls.goTo(between(a.z, b.z, t), "walk");
  }

  /** @param {number} which */
  pin(which) {
    if (this.scene) this.set(which, this.scene.z, "a pinned z");
  }

  /** @param {number} which */
  go(which) {
    this.stop();
    if (this.scene) this.calls.goTo(this.ends[this.scene.latentDim][which].z);
  }

  /**
   * Set an end.
   * @param {number} which
   * @param {number[]} z
   * @param {string} name
   */
  set(which, z, name) {
    if (!this.scene) return;
    this.ends[this.scene.latentDim][which] = { z: rounded(z), name };
    this.update(this.scene);
  }

  /** @param {Scene} scene */
  update(scene) {
    this.scene = scene;
    const { model, garments, rules, latentDim } = scene;
    const { posteriors } = model;
    if (!posteriors || !garments) return;
    this.ends[latentDim] ??= [0, garments.manifest.class_names.length - 1].map((label) => {
      const garment = garments.labels.indexOf(label); // the first one of its class
      return {
        z: rounded(posteriors.meanOf(garment)),
        name: `${garments.className(garment)} ${garment}`,
      };
    });
    const loaded = garments.sheets.filter(Boolean).length;
    const wanted = JSON.stringify([this.ends[latentDim], rules, loaded, Boolean(model.encoder)]);
    if (wanted === this.drawn) return;
    this.drawn = wanted;
    this.ends[latentDim].forEach(({ z, name }, which) => {
      const view = this.views[which];
      drawPixels(view.picture, decode(model.decoder, z));
      const answer = ask({ ...model, posteriors }, z, rules, 10);
      setText(view.title, `${name}, ${answer.familiar ? "near" : "far"}`);
      setText(view.shared, `${answer.shared.size} of 10 in both rows`);
      answer.rows.forEach((row, i) => {
        setText(view.by[i], garments.manifest.rules[row.rule].name);
        view.nearest[i].forEach((canvas, place) => garments.draw(canvas, row.garments[place]));
      });
    });
  }
}
