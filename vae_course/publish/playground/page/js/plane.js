/** The map: which garment wins at each place of a plane. */

import { DEGREES } from "./rules.js";

/** @typedef {import("./posteriors.js").Posteriors} Posteriors */

/**
 * A square window of the plane.
 * @typedef {{centre: [number, number], half: number}} View
 */

/**
 * Return z at a place of a square picture: x to the right, y upwards.
 * @param {View} view
 * @param {number} x from 0 at the left to 1 at the right
 * @param {number} y from 0 at the top to 1 at the bottom
 * @returns {[number, number]}
 */
export function toZ({ centre, half }, x, y) {
  return [centre[0] + (2 * x - 1) * half, centre[1] + (1 - 2 * y) * half];
}

/**
 * Return where z lies in a square picture; the inverse of `toZ`.
 * @param {View} view
 * @param {ArrayLike<number>} z
 * @returns {[number, number]}
 */
export function fromZ({ centre, half }, z) {
  return [(z[0] - centre[0]) / (2 * half) + 0.5, 0.5 - (z[1] - centre[1]) / (2 * half)];
}

/**
 * Return the winners of one line of the picture, from left to right.
 *
 * The winner is the garment of least cost: half the squared distance in the rule's units, plus
 * Σ log σ where the rule counts it. Neighbours mostly share a winner, so the search begins with the
 * one to the left, and most garments lose by their first dimension alone.
 * @param {Posteriors} posteriors with d = 2
 * @param {import("./rules.js").Rule} rule
 * @param {View} view
 * @param {number} size pixels of the picture's side
 * @param {number} line counted from the top
 * @returns {Uint16Array}
 */
export function winners(posteriors, rule, view, size, line) {
  const { mean, logStd, count, rmsStd, inverseStd } = posteriors;
  const ownScale = rule !== "euclidean" && rule !== "scaled-euclidean";
  const scaled = rule === "scaled-euclidean" ? rmsStd : [1, 1];
  const inverse = ownScale ? inverseStd : Float64Array.of(1 / scaled[0], 1 / scaled[1]);
  const counts = rule === "likelihood" || rule === "student-t";
  const tails = rule === "student-t" ? 0.5 * (DEGREES + 2) : 0;
  /** @param {number} squared */
  const half = (squared) => (tails ? tails * Math.log1p(squared / DEGREES) : 0.5 * squared);
  const found = new Uint16Array(size);
  let winner = 0;
  for (let column = 0; column < size; column++) {
    const z = toZ(view, (column + 0.5) / size, (line + 0.5) / size);
    /** @param {number} n */
    const cost = (n) => {
      const i = 2 * n;
      const at = ownScale ? i : 0;
      const squared =
        ((z[0] - mean[i]) * inverse[at]) ** 2 + ((z[1] - mean[i + 1]) * inverse[at + 1]) ** 2;
      return half(squared) + (counts ? logStd[n] : 0);
    };
    let least = cost(winner);
    for (let n = 0; n < count; n++) {
      const across = (z[0] - mean[2 * n]) * inverse[ownScale ? 2 * n : 0];
      if (!tails && 0.5 * across * across + (counts ? logStd[n] : 0) > least) continue;
      const own = cost(n);
      if (own < least || (own === least && n < winner)) {
        least = own;
        winner = n;
      }
    }
    found[column] = winner;
  }
  return found;
}
