/** The map: which garment wins at each place of a plane. */

import { best, largestFirst, Scores } from "./rules.js";

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
 * @param {import("./posteriors.js").Posteriors} posteriors
 * @param {import("./rules.js").Rule} rule
 * @param {View} view
 * @param {number} size pixels of the picture's side
 * @param {number} line counted from the top
 * @returns {Uint16Array}
 */
export function winners(posteriors, rule, view, size, line) {
  return Uint16Array.from({ length: size }, (_, column) => {
    const z = toZ(view, (column + 0.5) / size, (line + 0.5) / size);
    return best(new Scores(posteriors, z).by(rule), 1, largestFirst(rule))[0];
  });
}
