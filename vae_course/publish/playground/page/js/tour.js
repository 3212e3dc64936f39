/** A tour: a list of positions that the reader steps through. */

import { byId, setText } from "./dom.js";

/** @typedef {import("./address.js").Stop} Stop */

export class Tour {
  /** @param {(z: number[]) => void} goTo */
  constructor(goTo) {
    this.goTo = goTo;
    /** @type {Stop[]} */
    this.stops = [];
    this.at = 0;
    this.root = byId("tour", HTMLDivElement);
    this.back = byId("tour-back", HTMLButtonElement);
    this.next = byId("tour-next", HTMLButtonElement);
    this.text = byId("tour-text", HTMLSpanElement);
    this.back.addEventListener("click", () => this.step(-1));
    this.next.addEventListener("click", () => this.step(1));
    byId("tour-end", HTMLButtonElement).addEventListener("click", () => {
      this.begin([], 0);
      this.goTo([]);
    });
  }

  /**
   * @param {Stop[]} stops
   * @param {number} at
   */
  begin(stops, at) {
    this.stops = stops;
    this.at = at;
    this.show();
  }

  /** @param {number} steps */
  step(steps) {
    this.at = Math.min(this.stops.length - 1, Math.max(0, this.at + steps));
    this.show();
    this.goTo(this.stops[this.at].z);
  }

  show() {
    this.root.hidden = this.stops.length === 0;
    const stop = this.stops[this.at];
    setText(
      this.text,
      stop ? `${this.at + 1} of ${this.stops.length}${stop.title ? `: ${stop.title}` : ""}` : "",
    );
    this.back.disabled = this.at === 0;
    this.next.disabled = this.at >= this.stops.length - 1;
  }
}
