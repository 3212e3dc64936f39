/** The playground: keeps what the reader chose, and shows it. */

import { format, parse } from "./address.js";
import { ask } from "./answer.js";
import { ChallengesPanel } from "./challenges-panel.js";
import { Compare } from "./compare.js";
import { button, byId, setText } from "./dom.js";
import { Loader } from "./loader.js";
import { Plane } from "./map.js";
import { decode, roundTrip } from "./network.js";
import { Own } from "./own.js";
import { Picture, sayFailure } from "./picture.js";
import { standardNormal } from "./random.js";
import { Row, SHOWN } from "./rows.js";
import { SharePanel } from "./share-panel.js";
import { Sliders, updateKey } from "./sliders.js";
import { tabs } from "./tabs.js";
import { rounded } from "./text.js";
import { Tour } from "./tour.js";
import { Undo } from "./undo.js";
import { Why } from "./why.js";

/**
 * @typedef {import("./answer.js").RowRule} RowRule
 * @typedef {import("./files.js").Files} Files
 * @typedef {import("./files.js").Manifest} Manifest
 * @typedef {import("./scene.js").LoadedModel} LoadedModel
 * @typedef {import("./scene.js").Scene} Scene
 */

const VIEWS = /** @type {const} */ ({ 10: "view-sliders", 2: "view-map" });
const QUIET = 250; // milliseconds without a move before the address and screen readers learn of it

export class Playground {
  /**
   * @param {Manifest} manifest
   * @param {Files} files
   */
  constructor(manifest, files) {
    this.manifest = manifest;
    this.loader = new Loader(manifest, files, () => this.show());
    this.latentDim = 10;
    /** @type {Record<number, number[]>} */
    this.codes = {};
    for (const [d, { presets }] of Object.entries(manifest.models))
      this.codes[Number(d)] = presets[0].z;
    /** @type {RowRule[]} */
    this.rules = ["likelihood", "euclidean"];
    /** @type {{row: number, garment: number | undefined, held: boolean}} */
    this.focus = { row: 0, garment: undefined, held: false };
    /** @type {Undo<{latentDim: number, z: number[]}>} */
    this.undo = new Undo();
    this.panel = "compare";
    this.address = location.hash;
    this.ready = false;

    this.picture = new Picture();
    this.rows = [0, 1].map((which) => this.row(which));
    this.own = new Own(byId("panel-own", HTMLDivElement), {
      changed: () => this.show(),
      goTo: (z) => this.goTo(z),
    });
    this.compare = new Compare(byId("panel-compare", HTMLDivElement), {
      goTo: (z, gesture) => this.move(z, gesture),
      settled: () => this.undo.settle(),
    });
    this.challenges = new ChallengesPanel(byId("panel-challenges", HTMLDivElement), (text) =>
      this.announce(text),
    );
    this.share = new SharePanel(byId("panel-share", HTMLDivElement), {
      link: (tour) => this.link(tour),
      z: () => this.z,
    });
    this.tour = new Tour((z) => {
      if (z.length) this.visit(z);
      else this.keepAddress();
    });
    this.map = new Plane({
      moved: (z) => this.moveByHand(z, "map"),
      settled: () => this.undo.settle(),
    });
    this.openPanel = tabs(
      /** @type {HTMLElement} */ (document.querySelector("[role=tablist]")),
      (name) => {
        this.panel = name;
        if (this.ready) this.keepAddress();
      },
    );
    this.listen();
    this.arrive(location.hash);
    document.documentElement.dataset.built = "true";
  }

  get z() {
    return this.codes[this.latentDim];
  }

  get model() {
    return this.loader.models[this.latentDim];
  }

  /** @param {number} which */
  row(which) {
    const row = new Row(byId(`row-${which}`, HTMLDivElement), which, {
      chose: (rule) => {
        this.rules[which] = rule;
        this.show();
      },
      pointed: (garment) => {
        if (this.focus.held) return;
        this.focus = { row: which, garment, held: false };
        this.show();
      },
      clicked: (garment, byTouch) => {
        const explained = this.focus.row === which && this.focus.garment === garment;
        this.focus = { row: which, garment, held: this.focus.held };
        // a finger cannot point: its first tap explains, the second goes there
        if (byTouch && !explained) this.show();
        else this.goToGarment(garment);
      },
    });
    row.offer(this.manifest.rules);
    return row;
  }

  listen() {
    /** @type {Record<string, () => void>} */
    const actions = {
      random: () => this.goTo(standardNormal(this.latentDim)),
      garment: () => this.goToGarment(Math.floor(Math.random() * this.manifest.garments)),
      "round-trip": () => {
        const { decoder, encoder } = this.model;
        if (decoder && encoder) this.goTo(roundTrip(decoder, encoder, this.z));
      },
      undo: () => this.goBack(),
      "view-sliders": () => this.choose(10),
      "view-map": () => this.choose(2),
    };
    for (const [id, action] of Object.entries(actions)) {
      byId(id, HTMLButtonElement).addEventListener("click", () => {
        this.compare.stop();
        action();
      });
    }
    addEventListener("hashchange", () => {
      if (location.hash !== this.address) this.arrive(location.hash);
    });
    document.addEventListener("keydown", (event) => {
      const typing = event.target instanceof HTMLInputElement && event.target.type === "text";
      if (event.key === "z" && (event.ctrlKey || event.metaKey) && !typing) this.goBack();
      if (event.key === "Escape") {
        this.focus = { row: 0, garment: undefined, held: false };
        this.show();
      }
    });
  }

  /**
   * Go where an address leads.
   * @param {string} hash
   */
  arrive(hash) {
    this.address = hash;
    const { latentDim, z, rules, panel, tour, at } = parse(hash);
    if (z) this.codes[latentDim] = z;
    if (rules) this.rules = rules;
    this.openPanel(panel ?? this.panel);
    this.tour.begin(tour ?? [], at ?? 0);
    this.choose(latentDim);
  }

  /**
   * Show one of the models; its files are fetched where they are missing.
   * @param {number} latentDim
   */
  choose(latentDim) {
    this.latentDim = latentDim;
    this.focus = { row: 0, garment: undefined, held: false };
    for (const [d, id] of Object.entries(VIEWS)) {
      byId(id, HTMLButtonElement).setAttribute("aria-pressed", String(Number(d) === latentDim));
    }
    document.documentElement.dataset.view = latentDim === 2 ? "map" : "sliders";
    const entry = this.manifest.models[latentDim];
    this.sliders = new Sliders(byId("sliders", HTMLDivElement), entry.strength, {
      moved: (j, value, gesture) => this.moveByHand(this.z.with(j, value), gesture),
      settled: () => this.undo.settle(),
    });
    this.why = new Why(byId("why", HTMLDivElement), entry.strength, {
      goTo: (garment) => this.goToGarment(garment),
      hold: () => this.hold(),
      end: (which, garment) => {
        const { posteriors } = this.model;
        if (posteriors)
          this.compare.set(
            which,
            posteriors.meanOf(garment),
            `${this.loader.garments?.className(garment)} ${garment}`,
          );
        this.openPanel("compare");
      },
    });
    byId("presets", HTMLDivElement).replaceChildren(
      ...entry.presets.map(({ name, text, z }) =>
        button(name, () => this.visit(z), { title: text }),
      ),
    );
    this.loader.loaded(latentDim).catch(sayFailure);
    this.show();
  }

  /**
   * Move z; the marked garment of a row goes on being its winner, unless the reader holds another.
   * @param {number[]} z
   * @param {string} [gesture]
   */
  move(z, gesture) {
    this.undo.leave({ latentDim: this.latentDim, z: this.z }, gesture);
    this.codes[this.latentDim] = rounded(z);
    if (!this.focus.held) this.focus = { ...this.focus, garment: undefined };
    this.show();
  }

  /**
   * Move z by a slider or on the map, which may meet a challenge.
   * @param {number[]} z
   * @param {string} gesture
   */
  moveByHand(z, gesture) {
    this.compare.stop();
    this.move(z, gesture);
    if (this.answer) this.challenges.check(this.answer, this.z);
  }

  /** @param {number[]} z */
  goTo(z) {
    this.compare.stop();
    this.undo.settle();
    this.move(z);
  }

  /** @param {number} garment */
  goToGarment(garment) {
    const { posteriors } = this.model;
    if (posteriors) this.goTo(posteriors.meanOf(garment));
  }

  /**
   * Go to a code of either model.
   * @param {number[]} z
   */
  visit(z) {
    if (z.length !== this.latentDim) this.choose(z.length);
    this.goTo(z);
  }

  goBack() {
    const left = this.undo.back();
    if (!left) return;
    if (left.latentDim !== this.latentDim) this.choose(left.latentDim);
    this.codes[left.latentDim] = left.z;
    this.show();
  }

  hold() {
    const { held, row, garment } = this.focus;
    this.focus = held
      ? { row, garment: undefined, held: false }
      : { row, garment: garment ?? this.marked()[row], held: true };
    this.show();
  }

  /** Return the garment that is marked in each row: the first one, or what the reader points at. */
  marked() {
    return this.rules.map(
      (_, row) =>
        (row === this.focus.row ? this.focus.garment : undefined) ??
        this.answer?.rows[row].garments[0],
    );
  }

  /** Compute everything for z, and draw it. */
  show() {
    const model = this.model;
    if (!model?.decoder) return;
    const { decoder, posteriors } = model;
    const z = this.z;
    this.answer =
      posteriors && ask(/** @type {import("./answer.js").Model} */ (model), z, this.rules, SHOWN);
    const base = {
      latentDim: this.latentDim,
      z,
      model: /** @type {LoadedModel} */ (model),
      picture: decode(decoder, z),
      garments: this.loader.garments,
      answer: this.answer,
      rules: this.rules,
      marked: this.marked(),
      focusRow: this.focus.row,
      held: this.focus.held,
    };
    this.own.follow(base);
    /** @type {Scene} */
    const scene = { ...base, own: this.own.current(), cloud: this.own.cloud };
    this.paint(scene);
    byId("undo", HTMLButtonElement).disabled = this.undo.left.length === 0;
    if (!performance.getEntriesByName("first picture").length) performance.mark("first picture");
    if (!this.ready && this.answer) this.ready = true;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => this.settle(scene), QUIET);
  }

  /** @param {Scene} scene */
  paint(scene) {
    const root = document.documentElement.style;
    this.rules.forEach((rule, row) =>
      root.setProperty(`--row-${row}`, this.manifest.rules[rule].color),
    );
    this.picture.update(scene);
    this.sliders?.update(scene);
    for (const row of this.rows) row.update(scene);
    this.why?.update(scene);
    if (scene.latentDim === 2) this.map.update(scene);
    this.compare.update(scene);
    updateKey(byId("key", HTMLParagraphElement), scene);
  }

  /**
   * Do what can wait until z stands still.
   * @param {Scene} scene
   */
  settle(scene) {
    if (this.ready) this.keepAddress();
    if (!scene.answer || !scene.garments) return;
    const firsts = scene.answer.rows.map(
      ({ rule, garments }) =>
        `${this.manifest.rules[rule].name}: ${scene.garments?.className(garments[0])}`,
    );
    this.announce(`${scene.answer.familiar ? "Near" : "Far"}. Nearest by ${firsts.join("; by ")}.`);
  }

  /** @param {string} text */
  announce(text) {
    setText(byId("status", HTMLParagraphElement), text);
  }

  hash(tour = this.tour.stops, at = this.tour.at) {
    return format({
      latentDim: this.latentDim,
      z: this.z,
      rules: this.rules,
      panel: this.panel,
      tour,
      at,
    });
  }

  /** @param {import("./address.js").Stop[]} [tour] */
  link(tour) {
    if (!tour) return location.href.split("#")[0] + this.hash([], 0);
    const first = { latentDim: tour[0].z.length, z: tour[0].z, rules: this.rules, tour, at: 0 };
    return location.href.split("#")[0] + format(first);
  }

  keepAddress() {
    if (location.hash !== this.address) return; // a link was followed, and will be obeyed
    history.replaceState(null, "", this.hash());
    this.address = location.hash;
  }
}
