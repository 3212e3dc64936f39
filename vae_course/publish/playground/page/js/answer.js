/** What the playground says of one z: rows of garments, and whether z is near any of them. */

import { roundTrip } from "./network.js";
import { best, largestFirst, probabilities, RULES, Scores } from "./rules.js";

/**
 * @typedef {import("./posteriors.js").Posteriors} Posteriors
 * @typedef {import("./network.js").Layer} Layer
 * @typedef {import("./rules.js").Rule} Rule
 */

/**
 * A row can also rank by likelihood at the round trip of z, or by the gate.
 * @typedef {Rule | "round trip" | "gate"} RowRule
 */

/** @type {RowRule[]} */
export const ROW_RULES = [...RULES, "round trip", "gate"];

/**
 * A model as the page holds it; the encoder comes later than the rest.
 * @typedef {object} Model
 * @property {Posteriors} posteriors
 * @property {Layer[]} decoder
 * @property {Layer[] | undefined} encoder
 * @property {number} familiarBelow the 99.9 % quantile of χ² with d degrees of freedom
 */

/**
 * @typedef {object} Row
 * @property {RowRule} rule
 * @property {Rule} ranksBy the rule of the scores
 * @property {Scores} at the scores that rank, at z or at its round trip
 * @property {Float64Array} all the score of every garment
 * @property {number[]} garments best first
 * @property {number[]} scores
 * @property {number[] | undefined} probabilities with likelihoods only
 */

/**
 * @typedef {object} Answer
 * @property {Row[]} rows
 * @property {number} mahalanobis2 the smallest of z to any garment
 * @property {boolean} familiar whether z lies inside some garment's 99.9 % ellipsoid
 * @property {Map<number, number>} shared garments of all rows, with their place in the first
 */

/**
 * Rank the garments for z by each rule.
 * @param {Model} model
 * @param {ArrayLike<number>} z
 * @param {RowRule[]} rules
 * @param {number} k
 * @returns {Answer}
 */
export function ask(model, z, rules, k) {
  const here = new Scores(model.posteriors, z);
  let mahalanobis2 = Infinity;
  for (const m2 of here.mahalanobis2) if (m2 < mahalanobis2) mahalanobis2 = m2;
  const familiar = mahalanobis2 < model.familiarBelow;
  /** @type {Scores | undefined} */
  let returned;
  const rows = rules.map((rule) => {
    const goesRound = rule === "round trip" || (rule === "gate" && !familiar);
    if (goesRound) returned ??= new Scores(model.posteriors, roundTripOf(model, z));
    return rank(goesRound && returned ? returned : here, rule, k);
  });
  return { rows, mahalanobis2, familiar, shared: sharedGarments(rows) };
}

/**
 * @param {Scores} at
 * @param {RowRule} rule
 * @param {number} k
 * @returns {Row}
 */
function rank(at, rule, k) {
  const ranksBy = rule === "round trip" || rule === "gate" ? "likelihood" : rule;
  const all = at.by(ranksBy);
  const garments = best(all, k, largestFirst(ranksBy));
  return {
    rule,
    ranksBy,
    at,
    all,
    garments,
    scores: garments.map((garment) => all[garment]),
    probabilities: ranksBy === "likelihood" ? probabilities(all, garments) : undefined,
  };
}

/**
 * Return the round trip of z, or z itself until the encoder is there.
 * @param {Model} model
 * @param {ArrayLike<number>} z
 */
function roundTripOf({ decoder, encoder }, z) {
  return encoder ? roundTrip(decoder, encoder, z) : Array.from(z);
}

/**
 * Return the garments that are in every row, with their place in the first one.
 * @param {Row[]} rows
 * @returns {Map<number, number>}
 */
function sharedGarments([first, ...others]) {
  /** @type {Map<number, number>} */
  const shared = new Map();
  first.garments.forEach((garment, place) => {
    if (others.length && others.every((row) => row.garments.includes(garment))) {
      shared.set(garment, place + 1);
    }
  });
  return shared;
}
