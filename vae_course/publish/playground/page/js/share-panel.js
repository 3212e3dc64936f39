/** The panel of links: one to this z, and one to a tour of several. */

import { button, element, setText } from "./dom.js";

/** @typedef {import("./address.js").Stop} Stop */

export class SharePanel {
  /**
   * @param {HTMLElement} root
   * @param {{link: (tour?: Stop[]) => string, z: () => number[]}} calls
   */
  constructor(root, calls) {
    this.calls = calls;
    /** @type {Stop[]} */
    this.stops = [];
    this.title = element("input", {
      type: "text",
      placeholder: "What to see there",
      "aria-label": "Title of the stop",
      maxlength: "80",
    });
    this.list = element("ol", { class: "stops" });
    this.link = element("input", { type: "text", readonly: "", "aria-label": "The link" });
    this.message = element("span", { role: "status", class: "small" });
    this.copyTour = button("Copy the link to the tour", () =>
      this.copy(this.calls.link(this.stops)),
    );
    root.append(
      element(
        "p",
        { class: "hint" },
        "A link carries z, both rules and the view. A tour is a list of positions, for a lesson or a talk: whoever opens its link steps through them.",
      ),
      element(
        "p",
        { class: "buttons" },
        button("Copy the link to this z", () => this.copy(this.calls.link())),
        this.message,
      ),
      element(
        "form",
        { class: "buttons" },
        this.title,
        element("button", { type: "submit" }, "Add this z to the tour"),
        this.copyTour,
      ),
      this.list,
      this.link,
    );
    root.querySelector("form")?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.stops.push({ title: this.title.value.trim(), z: this.calls.z() });
      this.title.value = "";
      this.show();
    });
    this.show();
  }

  show() {
    this.copyTour.disabled = this.stops.length === 0;
    this.list.replaceChildren(
      ...this.stops.map((stop, i) =>
        element(
          "li",
          {},
          `${stop.title || "(no title)"} `,
          button(
            "Remove",
            () => {
              this.stops.splice(i, 1);
              this.show();
            },
            { "aria-label": `Remove stop ${i + 1}` },
          ),
        ),
      ),
    );
  }

  /** @param {string} link */
  async copy(link) {
    this.link.value = link;
    try {
      await navigator.clipboard.writeText(link);
      setText(this.message, "Copied.");
    } catch {
      this.link.select();
      setText(this.message, "The browser did not allow copying: the link stands below.");
    }
  }
}
