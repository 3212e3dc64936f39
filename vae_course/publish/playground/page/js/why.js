/** Why a garment stands where it does: how far z lies from its μ, and what that costs. */

import { button, element, garmentCanvas, setText } from "./dom.js";
import { unit } from "./rule-texts.js";
import { largestFirst, placeOf } from "./rules.js";
import { shares } from "./shares.js";
import { number } from "./text.js";

/** @typedef {import("./scene.js").Scene} Scene */

const WIDEST = 4; // σ that fill half a bar

/**
 * A bar to the left or to the right of a line in the middle.
 * @typedef {{root: HTMLElement, bar: HTMLElement, text: HTMLElement}} Bar
 */

export class Why {
  /**
   * @param {HTMLElement} root
   * @param {number[]} strength
   * @param {{goTo: (garment: number) => void, hold: () => void, end: (which: number, garment: number) => void}} calls
   */
  constructor(root, strength, calls) {
    /** @type {number | undefined} */
    this.garment = undefined;
    const order = strength.map((_, j) => j).sort((a, b) => strength[b] - strength[a]);
    /** @param {(garment: number) => void} act */
    const withGarment = (act) => () => {
      if (this.garment !== undefined) act(this.garment);
    };
    this.canvas = garmentCanvas("thumb");
    this.name = element("b", {}, "\u00a0");
    this.holdButton = button("Hold", calls.hold, {
      "aria-pressed": "false",
      title: "Keep this garment marked while z moves",
    });
    /** @type {HTMLElement[]} */
    this.heads = [0, 1].map((which) =>
      element("th", { scope: "col", class: `head-${which}` }, "\u00a0"),
    );
    /** @type {HTMLElement[]} */
    this.places = [0, 1].map(() => element("td"));
    /** @type {HTMLElement[]} */
    this.totals = [0, 1].map((which) => element("td", { class: `total-${which}` }));
    /** @type {Bar[][]} of each dimension: the distance, and the share under both rules */
    this.bars = [];
    const lines = order.map((j) => {
      this.bars[j] = ["distance", "share-0", "share-1"].map(makeBar);
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, `z${j + 1}`),
        ...this.bars[j].map(({ root }) => root),
      );
    });
    root.replaceChildren(
      element(
        "div",
        { class: "line who" },
        this.canvas,
        element("div", {}, element("h2", { id: "why-title" }, "Why this one?"), this.name),
        element(
          "div",
          { class: "buttons" },
          button("Go to its z", withGarment(calls.goTo)),
          this.holdButton,
          button(
            "Set A",
            withGarment((garment) => calls.end(0, garment)),
            {
              "aria-label": "Set A: the walk begins at this garment",
              title: "The walk below begins at this garment",
            },
          ),
          button(
            "Set B",
            withGarment((garment) => calls.end(1, garment)),
            {
              "aria-label": "Set B: the walk ends at this garment",
              title: "The walk below ends at this garment",
            },
          ),
        ),
      ),
      element(
        "table",
        { "aria-label": "What each dimension adds" },
        element(
          "thead",
          {},
          element(
            "tr",
            {},
            element("td"),
            element("th", { scope: "col" }, "(z − μ)/σ"),
            ...this.heads,
          ),
        ),
        element("tbody", {}, ...lines),
        element(
          "tfoot",
          {},
          element(
            "tr",
            {},
            element("td"),
            element("th", { scope: "row" }, "all together"),
            ...this.totals,
          ),
          element(
            "tr",
            {},
            element("td"),
            element("th", { scope: "row" }, "its place"),
            ...this.places,
          ),
        ),
      ),
    );
  }

  /** @param {Scene} scene */
  update(scene) {
    const { answer, garments, model, z, marked, focusRow, held } = scene;
    const garment = marked[focusRow];
    if (!answer || !garments || !model.posteriors || garment === undefined) return;
    const { posteriors } = model;
    this.garment = garment;
    garments.draw(this.canvas, garment);
    setText(this.name, `${garments.className(garment)} ${garment}`);
    this.holdButton.setAttribute("aria-pressed", String(held));
    shares(posteriors, garment, z, "likelihood").forEach(({ distance }, j) => {
      setBar(this.bars[j][0], distance / WIDEST, number(distance, 1));
    });
    answer.rows.forEach(({ ranksBy, at, all }, which) => {
      const parts = shares(posteriors, garment, at.z, ranksBy);
      const squared = largestFirst(ranksBy) ? "" : "²";
      const digits = largestFirst(ranksBy) ? 1 : z.length === 2 ? 4 : 2;
      const largest = Math.max(1e-9, ...parts.map(({ share }) => Math.abs(share)));
      const positive = squared !== "";
      parts.forEach(({ share }, j) => {
        this.bars[j][1 + which].root.classList.toggle("positive", positive);
        setBar(this.bars[j][1 + which], share / largest, number(share, digits));
      });
      const total = parts.reduce((sum, { share }) => sum + share, 0);
      setText(this.heads[which], unit(ranksBy) + squared);
      const place = placeOf(all, garment, largestFirst(ranksBy));
      setText(this.places[which], place.toLocaleString("en"));
      setText(this.totals[which], number(total, digits));
    });
  }
}

/**
 * @param {string} kind
 * @returns {Bar}
 */
function makeBar(kind) {
  const bar = element("i");
  const text = element("span");
  return { root: element("td", { class: `bar ${kind}` }, bar, text), bar, text };
}

/**
 * @param {Bar} bar
 * @param {number} share from −1 to 1; more is cut off
 * @param {string} text
 */
function setBar({ bar, text: label }, share, text) {
  const length = Math.min(1, Math.abs(share));
  bar.style.transform = `scaleX(${share < 0 ? -length : length})`;
  setText(label, text);
}
