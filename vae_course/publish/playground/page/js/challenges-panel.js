/** The panel of challenges: each is ticked when the reader meets it by hand. */

import { CHALLENGES } from "./challenges.js";
import { element } from "./dom.js";

export class ChallengesPanel {
  /**
   * @param {HTMLElement} root
   * @param {(text: string) => void} announce
   */
  constructor(root, announce) {
    this.announce = announce;
    /** @type {Map<string, HTMLElement>} */
    this.items = new Map(
      CHALLENGES.map(({ id, text }) => [
        id,
        element(
          "li",
          {},
          element("span", { class: "tick", "aria-hidden": "true" }, "○"),
          ` ${text}`,
        ),
      ]),
    );
    /** @type {Set<string>} */
    this.done = new Set();
    root.append(
      element(
        "p",
        { class: "hint" },
        "Move the sliders, or z on the map, until one of these is true. Only moves by hand count.",
      ),
      element("ol", { class: "challenges" }, ...this.items.values()),
    );
  }

  /**
   * @param {import("./answer.js").Answer} answer
   * @param {number[]} z
   */
  check(answer, z) {
    for (const { id, text, met } of CHALLENGES) {
      const item = this.items.get(id);
      if (!item || this.done.has(id) || !met(answer, z)) continue;
      this.done.add(id);
      item.classList.add("done");
      item.querySelector(".tick")?.replaceChildren("✓");
      item.append(element("span", { class: "unseen" }, " (done)"));
      this.announce(`Challenge met: ${text}`);
    }
  }
}
