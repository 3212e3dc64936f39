/** A row of the nearest garments by one rule. */

import { ROW_RULES } from "./answer.js";
import { element, garmentCanvas, setText } from "./dom.js";
import { RULE_HELP, unit } from "./rule-texts.js";
import { largestFirst } from "./rules.js";
import { percent, scoreText } from "./text.js";

export const SHOWN = 10;
const TIP = matchMedia("(hover: hover)").matches
  ? "Point at a garment to see why, click to go to its z."
  : "Tap a garment to see why, tap again to go to its z.";

/**
 * @typedef {import("./scene.js").Scene} Scene
 * @typedef {import("./answer.js").RowRule} RowRule
 */

/**
 * @typedef {object} Tile
 * @property {HTMLButtonElement} button
 * @property {HTMLCanvasElement} canvas
 * @property {HTMLElement} place the badge with the place in the upper row
 * @property {HTMLElement} name
 * @property {HTMLElement} unit
 * @property {HTMLElement} value
 * @property {HTMLElement} probability
 * @property {number | undefined} garment
 */

export class Row {
  /**
   * @param {HTMLElement} root
   * @param {number} which 0 for the upper row, 1 for the lower one
   * @param {{chose: (rule: RowRule) => void, pointed: (garment: number) => void,
   *   clicked: (garment: number, byTouch: boolean) => void}} calls
   */
  constructor(root, which, calls) {
    this.root = root;
    this.which = which;
    this.select = element("select", {
      "aria-label": `Rule of the ${which ? "lower" : "upper"} row`,
    });
    this.select.addEventListener("change", () => {
      calls.chose(/** @type {RowRule} */ (this.select.value));
    });
    this.help = element("p", { class: "help" }, RULE_HELP[which ? "euclidean" : "likelihood"]);
    this.shared = which
      ? element("p", { class: "shared" }, `– of ${SHOWN} in both rows`)
      : element("p", { class: "tip" }, TIP);
    this.tiles = Array.from({ length: SHOWN }, () => this.tile(calls));
    this.list = element("ol", {}, ...this.tiles.map(({ button }) => element("li", {}, button)));
    root.append(
      element(
        "div",
        { class: "head" },
        element("p", { class: "by" }, "Nearest by"),
        this.select,
        this.help,
        this.shared,
      ),
      this.list,
    );
  }

  /**
   * Offer the rules by their names.
   * @param {Record<string, {name: string, color: string}>} rules
   */
  offer(rules) {
    this.rules = rules;
    this.select.replaceChildren(
      ...ROW_RULES.map((rule) => element("option", { value: rule }, rules[rule].name)),
    );
  }

  /**
   * @param {{pointed: (garment: number) => void, clicked: (garment: number, byTouch: boolean) => void}} calls
   * @returns {Tile}
   */
  tile({ pointed, clicked }) {
    /** @type {Tile} */
    const tile = {
      button: element("button", { type: "button", class: "tile" }),
      canvas: garmentCanvas(),
      place: element("span", { class: "place" }),
      name: element("b"),
      unit: element("span", { class: "unit" }),
      value: element("span"),
      probability: element("span", { class: "probability" }),
      garment: undefined,
    };
    tile.button.append(
      element("span", { class: "frame" }, tile.canvas, tile.place),
      tile.name,
      element("span", { class: "score" }, tile.unit, tile.value),
      tile.probability,
    );
    let byTouch = false;
    tile.button.addEventListener(
      "pointerdown",
      (event) => (byTouch = event.pointerType === "touch"),
    );
    tile.button.addEventListener("pointerenter", (event) => {
      if (tile.garment !== undefined && event.pointerType !== "touch") pointed(tile.garment);
    });
    tile.button.addEventListener("focus", () => {
      // a tap focuses, too, but what it means is for the click to decide
      if (tile.garment !== undefined && !byTouch) pointed(tile.garment);
    });
    tile.button.addEventListener("click", () => {
      if (tile.garment !== undefined) clicked(tile.garment, byTouch);
      byTouch = false;
    });
    return tile;
  }

  /** @param {Scene} scene */
  update({ answer, garments, rules, marked, focusRow }) {
    const rule = rules[this.which];
    if (this.rules) this.root.style.setProperty("--rule", this.rules[rule].color);
    if (this.select.value !== rule) this.select.value = rule;
    const row = answer?.rows[this.which];
    if (!answer || !row || !garments) return;
    setText(this.help, helpText(rule, answer.familiar));
    if (this.which) setText(this.shared, sharedText(answer.shared.size));
    this.root.classList.toggle("far", !answer.familiar && row.probabilities !== undefined);
    this.list.setAttribute("aria-label", `Nearest by ${this.rules?.[rule].name}`);
    const isDistance = !largestFirst(row.ranksBy);
    const name = unit(row.ranksBy);
    this.tiles.forEach((tile, i) => {
      const garment = row.garments[i];
      const place = answer.shared.get(garment);
      tile.garment = garment;
      garments.draw(tile.canvas, garment);
      const value = scoreText(row.scores[i], isDistance);
      const p = row.probabilities ? `p ${percent(row.probabilities[i])}` : "";
      setText(tile.name, garments.className(garment));
      setText(tile.unit, `${name} `);
      setText(tile.value, value);
      setText(tile.probability, p || "\u00a0");
      setText(tile.place, place ? String(place) : "");
      tile.button.classList.toggle("both", place !== undefined);
      tile.button.classList.toggle("marked", garment === marked[this.which]);
      tile.button.classList.toggle(
        "elsewhere",
        this.which !== focusRow && garment === marked[focusRow],
      );
      const label = [
        `${i + 1}: ${garments.className(garment)}, garment ${garment}`,
        `${name} ${value}`,
        p,
        place ? `in both rows, place ${place} above` : "",
      ]
        .filter(Boolean)
        .join(", ");
      if (tile.button.getAttribute("aria-label") !== label)
        tile.button.setAttribute("aria-label", label);
    });
  }
}

/**
 * @param {RowRule} rule
 * @param {boolean} familiar
 */
function helpText(rule, familiar) {
  if (rule !== "gate") return RULE_HELP[rule];
  return familiar
    ? "z is near, so: by likelihood at z itself."
    : "z is far, so: by likelihood after a round trip.";
}

/** @param {number} shared */
function sharedText(shared) {
  return `${shared} of ${SHOWN} in both rows`;
}
