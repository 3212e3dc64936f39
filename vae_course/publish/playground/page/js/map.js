/** The map of a plane of codes: coloured by winner, with ellipses, and z to drag. */

import { button, byId, context, element, garmentCanvas, setText } from "./dom.js";
import { fromZ, toZ } from "./plane.js";
import { best, largestFirst, Scores } from "./rules.js";

/**
 * @typedef {import("./scene.js").Scene} Scene
 * @typedef {import("./plane.js").View} View
 * @typedef {import("./rules.js").Rule} Rule
 */

const WHOLE = 4.5; // half the side of the whole map
const SIZES = [64, 128, 256]; // pixels of the map's side: at first coarse, then fine
const SHARPNESS = 640; // pixels of the canvas that the ellipses are drawn on

export class Plane {
  /** @param {{moved: (z: number[]) => void, settled: () => void}} calls */
  constructor(calls) {
    this.calls = calls;
    /** @type {View} */
    this.view = { centre: [0, 0], half: WHOLE };
    this.shown = "0"; // the row that colours the map, or "differ"
    /** @type {Map<string, {size: number, winners: Uint16Array}>} what the worker has found */
    this.found = new Map();
    this.asked = "";
    this.painted = "";
    /** @type {[number, number] | undefined} where the pointer was last */
    this.pointed = undefined;
    /** @type {Scene | undefined} */
    this.scene = undefined;
    this.colors = element("canvas", {
      width: SIZES[0],
      height: SIZES[0],
      class: "colors",
      "aria-hidden": "true",
    });
    this.marks = element("canvas", {
      width: SHARPNESS,
      height: SHARPNESS,
      class: "marks",
      role: "img",
      "aria-label":
        "Map of the codes, coloured by the class of the garment that wins. Drag z on it, or use the sliders.",
    });
    this.choices = ["0", "1", "differ"].map((which) =>
      button("", () => this.show(which), { "aria-pressed": String(which === this.shown) }),
    );
    this.under = [0, 1].map(() => ({ canvas: garmentCanvas(), text: element("span") }));
    this.note = element("p", { class: "small" });
    this.legend = element("ul", { class: "legend" });
    byId("map", HTMLDivElement).replaceChildren(this.colors, this.marks);
    byId("map-side", HTMLDivElement).replaceChildren(
      element(
        "div",
        { class: "segments", role: "group", "aria-label": "What colours the map" },
        ...this.choices,
      ),
      element(
        "div",
        { class: "buttons" },
        button("+", () => this.zoom(0.5), { "aria-label": "Zoom in", title: "Zoom in at z" }),
        button("−", () => this.zoom(2), { "aria-label": "Zoom out", title: "Zoom out" }),
        button("Whole map", () => this.zoom(Infinity)),
      ),
    );
    byId("map-reading", HTMLDivElement).replaceChildren(
      element("h2", {}, "The map"),
      this.note,
      this.legend,
      element("p", { class: "small" }, "Who wins where you point:"),
      ...this.under.map(({ canvas, text }, row) =>
        element("p", { class: `under lane-${row}` }, canvas, text),
      ),
    );
    this.listen();
  }

  listen() {
    let dragging = false;
    /** @param {PointerEvent} event */
    const at = (event) => {
      const box = this.marks.getBoundingClientRect();
      const share = [
        (event.clientX - box.left) / box.width,
        (event.clientY - box.top) / box.height,
      ];
      return toZ(this.view, Math.min(1, Math.max(0, share[0])), Math.min(1, Math.max(0, share[1])));
    };
    this.marks.addEventListener("pointerdown", (event) => {
      dragging = true;
      this.marks.setPointerCapture(event.pointerId);
      this.calls.moved(at(event));
    });
    this.marks.addEventListener("pointermove", (event) => {
      if (dragging) this.calls.moved(at(event));
      this.point(at(event));
    });
    this.marks.addEventListener("pointerleave", () => (this.pointed = undefined));
    for (const end of ["pointerup", "pointercancel"]) {
      this.marks.addEventListener(end, () => {
        dragging = false;
        this.calls.settled();
      });
    }
    this.marks.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.zoom(event.deltaY < 0 ? 0.8 : 1.25);
      },
      { passive: false },
    );
  }

  /** @param {string} which */
  show(which) {
    this.shown = which;
    if (this.scene) this.update(this.scene);
  }

  /**
   * Look closer at z, or see more.
   * @param {number} factor
   */
  zoom(factor) {
    const half = Math.min(WHOLE, Math.max(0.1, this.view.half * factor));
    const z = this.scene?.z ?? [0, 0];
    // never beyond the whole map
    const centre = /** @type {[number, number]} */ (
      [0, 1].map((j) => Math.min(WHOLE - half, Math.max(half - WHOLE, z[j])))
    );
    this.view = { centre, half };
    if (this.scene) this.update(this.scene);
  }

  /**
   * Name the garments that win at a place.
   * @param {[number, number]} z
   */
  point(z) {
    this.pointed = z;
    const { model, garments, rules } = this.scene ?? {};
    if (!model?.posteriors || !garments || !rules) return;
    const scores = new Scores(model.posteriors, z);
    this.rules().forEach((rule, row) => {
      const [garment] = best(scores.by(rule), 1, largestFirst(rule));
      garments.draw(this.under[row].canvas, garment);
      setText(this.under[row].text, `${garments.className(garment)} ${garment}`);
    });
  }

  /**
   * Return the rules of the rows; the map shows the likelihood for those that make a round trip.
   * @returns {Rule[]}
   */
  rules() {
    const rules = this.scene?.rules ?? [];
    return rules.map((rule) => (rule === "round trip" || rule === "gate" ? "likelihood" : rule));
  }

  /** @param {Scene} scene */
  update(scene) {
    this.scene = scene;
    const { model, garments } = scene;
    if (!model.posteriors || !garments) return;
    this.point(this.pointed ?? [scene.z[0], scene.z[1]]);
    const names = [
      ...this.rules().map((rule) => garments.manifest.rules[rule].name),
      "where they differ",
    ];
    this.choices.forEach((choice, i) => {
      setText(choice, names[i]);
      choice.setAttribute("aria-pressed", String(["0", "1", "differ"][i] === this.shown));
    });
    if (!this.legend.childElementCount) this.fillLegend(garments);
    const returns = scene.rules.some((rule) => rule === "round trip" || rule === "gate");
    const colored = "The colour of a place is the class of its winner";
    setText(this.note, `${colored}${returns ? ", by log likelihood without a round trip" : ""}.`);
    this.askWorker(model.posteriors);
    this.paint(garments);
    this.mark(scene);
  }

  /** @param {import("./garments.js").Garments} garments */
  fillLegend({ manifest }) {
    this.legend.append(
      ...manifest.class_names.map((name, i) => {
        const dot = element("i");
        dot.style.background = manifest.class_colors[i % manifest.class_colors.length];
        return element("li", {}, dot, name);
      }),
    );
  }

  /** @param {import("./posteriors.js").Posteriors} posteriors */
  askWorker(posteriors) {
    const question = JSON.stringify([this.view, this.rules()]);
    if (question === this.asked) return;
    this.asked = question;
    this.found.clear();
    this.painted = "";
    if (!this.worker) {
      this.worker = new Worker(new URL("./plane-worker.js", import.meta.url), { type: "module" });
      this.worker.postMessage({ mean: posteriors.mean, std: posteriors.std });
      this.worker.addEventListener("message", ({ data }) => this.receive(data));
    }
    this.worker.postMessage({ question, view: this.view, rules: this.rules(), sizes: SIZES });
  }

  /** @param {{question: string, row: number, size: number, winners: Uint16Array}} result */
  receive({ question, row, size, winners }) {
    if (question !== this.asked) return; // the reader has moved on
    this.found.set(String(row), { size, winners });
    this.painted = "";
    if (this.scene?.garments) this.paint(this.scene.garments);
  }

  /** @param {import("./garments.js").Garments} garments */
  paint(garments) {
    const wanted = `${this.asked} ${this.shown} ${[...this.found].map(([, { size }]) => size)}`;
    if (wanted === this.painted) return;
    const [first, second] = [this.found.get("0"), this.found.get("1")];
    const one = this.shown === "1" ? second : first;
    if (!one) return;
    this.painted = wanted;
    const { size, winners } = one;
    const differs = this.shown === "differ" && second?.size === size ? second.winners : undefined;
    const image = new ImageData(size, size);
    winners.forEach((garment, i) => {
      const strength = this.shown === "differ" ? (differs && differs[i] !== garment ? 1 : 0.18) : 1;
      image.data.set(shade(garments.color(garment), garment, strength), 4 * i);
    });
    this.colors.width = this.colors.height = size;
    context(this.colors).putImageData(image, 0, 0);
  }

  /** @param {Scene} scene */
  mark({ z, marked, model, own, cloud }) {
    const drawing = context(this.marks);
    drawing.clearRect(0, 0, SHARPNESS, SHARPNESS);
    const style = getComputedStyle(this.marks);
    marked.forEach((garment, row) => {
      if (garment === undefined || !model.posteriors) return;
      const gaussian = {
        mean: model.posteriors.meanOf(garment),
        std: model.posteriors.stdOf(garment),
      };
      this.ellipse(drawing, gaussian, style.getPropertyValue(`--row-${row}`));
    });
    if (own) this.ellipse(drawing, own, style.getPropertyValue("--own"));
    for (const dot of cloud) this.dot(drawing, dot, 4, style.getPropertyValue("--own"));
    this.dot(drawing, z, 11, "#000");
  }

  /**
   * Draw the ellipses at 1 σ and 2 σ.
   * @param {CanvasRenderingContext2D} drawing
   * @param {{mean: number[], std: number[]}} gaussian
   * @param {string} color
   */
  ellipse(drawing, { mean, std }, color) {
    const [x, y] = fromZ(this.view, mean).map((share) => share * SHARPNESS);
    const unit = SHARPNESS / (2 * this.view.half);
    for (const width of [2, 1]) {
      for (const [thickness, ink] of /** @type {[number, string][]} */ ([
        [7, "#fff"],
        [3.5, color],
      ])) {
        drawing.beginPath();
        drawing.ellipse(x, y, width * std[0] * unit, width * std[1] * unit, 0, 0, 2 * Math.PI);
        drawing.lineWidth = thickness;
        drawing.strokeStyle = ink;
        drawing.stroke();
      }
    }
  }

  /**
   * @param {CanvasRenderingContext2D} drawing
   * @param {number[]} z
   * @param {number} radius
   * @param {string} color
   */
  dot(drawing, z, radius, color) {
    const [x, y] = fromZ(this.view, z).map((share) => share * SHARPNESS);
    drawing.beginPath();
    drawing.arc(x, y, radius, 0, 2 * Math.PI);
    drawing.fillStyle = color;
    drawing.fill();
    drawing.lineWidth = radius > 5 ? 4 : 1;
    drawing.strokeStyle = "#fff";
    drawing.stroke();
  }
}

/**
 * Return a class's colour, a little lighter or darker for each garment, so that cells can be told.
 * @param {string} color #rrggbb
 * @param {number} garment
 * @param {number} strength from 0, white, to 1
 * @returns {[number, number, number, number]}
 */
function shade(color, garment, strength) {
  const lightness = (((garment * 2654435761) >>> 24) / 255 - 0.5) * 60;
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = parseInt(color.slice(at, at + 2), 16) + lightness;
    return Math.round(255 + strength * (Math.min(255, Math.max(0, value)) - 255));
  });
  return [red, green, blue, 255];
}
