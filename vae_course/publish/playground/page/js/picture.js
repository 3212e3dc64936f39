/** The decoded picture, and whether z is near any garment. */

import { byId, drawPixels, setText } from "./dom.js";
import { number } from "./text.js";

/** @typedef {import("./scene.js").Scene} Scene */

export class Picture {
  constructor() {
    this.canvas = byId("picture", HTMLCanvasElement);
    this.badge = byId("badge", HTMLParagraphElement);
    this.word = byId("badge-word", HTMLElement);
    this.text = byId("badge-text", HTMLSpanElement);
    this.numbers = byId("badge-numbers", HTMLParagraphElement);
    this.winners = [0, 1].map((row) => byId(`winner-${row}`, HTMLCanvasElement));
  }

  /** @param {Scene} scene */
  update({ z, picture, answer, garments, model, latentDim }) {
    drawPixels(this.canvas, picture);
    this.canvas.dataset.z = z.join(",");
    if (!answer) return;
    const { familiar, mahalanobis2 } = answer;
    this.badge.classList.toggle("near", familiar);
    this.badge.classList.toggle("far", !familiar);
    setText(this.word, familiar ? "Near." : "Far.");
    setText(
      this.text,
      familiar
        ? "A garment of this wardrobe lies near z."
        : "No garment of this wardrobe lies near z: do not trust p.",
    );
    setText(
      this.numbers,
      `The smallest Mahalanobis² of z to any garment is ${number(mahalanobis2, 1)}. Near means below ` +
        `${number(model.familiarBelow, 1)}, the 99.9 % quantile of χ² with ${latentDim} degrees of freedom.`,
    );
    answer.rows.forEach((row, which) => garments?.draw(this.winners[which], row.garments[0]));
  }
}

/**
 * Say in the badge's place that the data could not be loaded.
 * @param {Error} error
 */
export function sayFailure(error) {
  document.documentElement.dataset.built = "true";
  setText(byId("badge-word", HTMLElement), "The page could not load its data.");
  setText(byId("badge-text", HTMLSpanElement), `${error.message}. Reload the page to try again.`);
}
