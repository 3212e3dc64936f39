/** The rules by which garments are ranked for a z: what each one scores, and which way is best. */

/** @typedef {import("./posteriors.js").Posteriors} Posteriors */

/**
 * A rule that ranks garments at z itself.
 * @typedef {"likelihood" | "euclidean" | "scaled-euclidean" | "mahalanobis" | "student-t"} Rule
 */

/** @type {Rule[]} */
export const RULES = ["likelihood", "euclidean", "scaled-euclidean", "mahalanobis", "student-t"];

/** ν of the Student-t rule */
export const DEGREES = 1;

/**
 * Return log Γ(n/2) for a whole number n of at least 1, by Γ(x + 1) = x Γ(x).
 * @param {number} n
 * @returns {number}
 */
function logGammaOfHalf(n) {
  if (n > 2) return Math.log(n / 2 - 1) + logGammaOfHalf(n - 2);
  return n === 1 ? 0.5 * Math.log(Math.PI) : 0;
}

/**
 * Return the part of a log density that depends on neither z nor the garment: that of a Student t
 * with ν degrees of freedom.
 * @param {number} latentDim
 */
export function studentConstant(latentDim) {
  const gammas = logGammaOfHalf(DEGREES + latentDim) - logGammaOfHalf(DEGREES);
  return gammas - 0.5 * latentDim * Math.log(DEGREES * Math.PI);
}

/**
 * Tell whether the best score of a rule is its largest.
 * @param {Rule} rule
 */
export function largestFirst(rule) {
  return rule === "likelihood" || rule === "student-t";
}

/** The garments' scores at one z; what several rules need is computed once. */
export class Scores {
  /**
   * @param {Posteriors} posteriors
   * @param {ArrayLike<number>} z
   */
  constructor(posteriors, z) {
    this.posteriors = posteriors;
    this.z = z;
    /** @type {Float64Array | undefined} */
    this.squares = undefined;
  }

  /** The Mahalanobis² of z to every garment. */
  get mahalanobis2() {
    this.squares ??= this.posteriors.mahalanobis2(this.z);
    return this.squares;
  }

  /**
   * Return the score of every garment.
   *
   * - likelihood: log q(z|x) in nats
   * - euclidean: ‖z − μ‖
   * - scaled-euclidean: the same, each dimension divided by its root mean square σ
   * - mahalanobis: ‖(z − μ)/σ‖
   * - student-t: −½ (ν + d) log(1 + M²/ν) − Σ log σ + c, with M² the Mahalanobis², ν = 1 and c from
   *   `studentConstant`
   * @param {Rule} rule
   * @returns {Float64Array}
   */
  by(rule) {
    const { logStd, logConstant, latentDim, rmsStd } = this.posteriors;
    switch (rule) {
      case "likelihood":
        return this.mahalanobis2.map((m2, n) => -0.5 * m2 - logStd[n] - logConstant);
      case "student-t": {
        const factor = -0.5 * (DEGREES + latentDim);
        const constant = studentConstant(latentDim);
        return this.mahalanobis2.map(
          (m2, n) => factor * Math.log1p(m2 / DEGREES) - logStd[n] + constant,
        );
      }
      case "mahalanobis":
        return this.mahalanobis2.map(Math.sqrt);
      case "euclidean":
      case "scaled-euclidean": {
        const scale = rule === "euclidean" ? new Float64Array(latentDim).fill(1) : rmsStd;
        return this.posteriors.squaredDistances(this.z, scale).map(Math.sqrt);
      }
    }
  }
}

/**
 * Return the k best garments, best first; of equals, the lower index first.
 * @param {ArrayLike<number>} scores
 * @param {number} k
 * @param {boolean} largest whether the best score is the largest
 * @returns {number[]}
 */
export function best(scores, k, largest) {
  const sign = largest ? -1 : 1;
  /** @type {number[]} */
  const indices = [];
  /** @type {number[]} */
  const costs = [];
  for (let n = 0; n < scores.length; n++) {
    const cost = sign * scores[n];
    if (costs.length === k && cost >= costs[k - 1]) continue;
    let place = Math.min(costs.length, k - 1);
    for (; place > 0 && cost < costs[place - 1]; place--) {
      costs[place] = costs[place - 1];
      indices[place] = indices[place - 1];
    }
    costs[place] = cost;
    indices[place] = n;
  }
  return indices;
}

/**
 * Return a garment's place among all, counted from 1.
 * @param {ArrayLike<number>} scores
 * @param {number} garment
 * @param {boolean} largest
 */
export function placeOf(scores, garment, largest) {
  let place = 1;
  for (let n = 0; n < scores.length; n++) {
    const ahead = largest ? scores[n] > scores[garment] : scores[n] < scores[garment];
    if (ahead || (n < garment && scores[n] === scores[garment])) place++;
  }
  return place;
}

/**
 * Return the probability that each of some garments made z: q(z|xᵢ) / Σₙ q(z|xₙ).
 * @param {ArrayLike<number>} logProbs log q(z|x) of all garments
 * @param {number[]} garments
 * @returns {number[]}
 */
export function probabilities(logProbs, garments) {
  let largest = -Infinity;
  for (let n = 0; n < logProbs.length; n++) largest = Math.max(largest, logProbs[n]);
  let sum = 0;
  for (let n = 0; n < logProbs.length; n++) sum += Math.exp(logProbs[n] - largest);
  return garments.map((garment) => Math.exp(logProbs[garment] - largest) / sum);
}
