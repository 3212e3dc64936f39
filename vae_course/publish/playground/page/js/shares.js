/** Why a garment has its score: what each dimension adds to it. */

import { DEGREES, studentConstant } from "./rules.js";

/** @typedef {import("./posteriors.js").Posteriors} Posteriors */

const HALF_LOG_TWO_PI = 0.5 * Math.log(2 * Math.PI);

/**
 * @typedef {object} Share
 * @property {number} distance (z − μ)/σ: how far z lies from μ in this dimension, in units of σ
 * @property {number} share what the dimension adds; all of them make up the total
 */

/**
 * Return each dimension's share of a garment's score. The shares of a distance make up its square.
 *
 * Student-t's first term has no share of each dimension; it is split as the Mahalanobis² is, and the
 * constant into equal parts.
 * @param {Posteriors} posteriors
 * @param {number} garment
 * @param {ArrayLike<number>} z
 * @param {import("./rules.js").Rule} rule
 * @returns {Share[]}
 */
export function shares(posteriors, garment, z, rule) {
  const mean = posteriors.meanOf(garment);
  const std = posteriors.stdOf(garment);
  const distances = mean.map((mu, j) => (z[j] - mu) / std[j]);
  const m2 = distances.reduce((sum, t) => sum + t * t, 0);
  const tail = -0.5 * (DEGREES + mean.length) * Math.log1p(m2 / DEGREES);
  const constant = studentConstant(mean.length) / mean.length;
  return distances.map((distance, j) => {
    const square = distance * distance;
    /** @type {Record<import("./rules.js").Rule, () => number>} */
    const share = {
      likelihood: () => -0.5 * square - Math.log(std[j]) - HALF_LOG_TWO_PI,
      "student-t": () => (m2 > 0 ? (tail * square) / m2 : 0) - Math.log(std[j]) + constant,
      mahalanobis: () => square,
      euclidean: () => (z[j] - mean[j]) ** 2,
      "scaled-euclidean": () => ((z[j] - mean[j]) / posteriors.rmsStd[j]) ** 2,
    };
    return { distance, share: share[rule]() };
  });
}
