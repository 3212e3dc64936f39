/** Computes the map away from the page, so that nothing there has to wait. */

import { winners } from "./plane.js";
import { Posteriors } from "./posteriors.js";

/** @type {Posteriors | undefined} */
let posteriors;
let current = "";
const BREATH = 40; // milliseconds of work between two looks at what is waiting

/**
 * @typedef {object} Question
 * @property {string} question
 * @property {import("./plane.js").View} view
 * @property {import("./rules.js").Rule[]} rules
 * @property {number[]} sizes
 */

addEventListener("message", ({ data }) => {
  if (data.mean) posteriors = new Posteriors(data.mean, data.std, 2);
  else answer(data);
});

/** @param {Question} asked */
async function answer({ question, view, rules, sizes }) {
  current = question;
  let rested = performance.now();
  if (!posteriors) return;
  for (const size of sizes) {
    for (const [row, rule] of rules.entries()) {
      const found = new Uint16Array(size * size);
      for (let line = 0; line < size; line++) {
        found.set(winners(posteriors, rule, view, size, line), line * size);
        if (performance.now() - rested > BREATH) {
          await new Promise((resolve) => setTimeout(resolve)); // a new question may be waiting
          if (current !== question) return;
          rested = performance.now();
        }
      }
      postMessage({ question, row, size, winners: found });
    }
  }
}
