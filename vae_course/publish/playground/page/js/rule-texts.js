/** Each rule in plain words, and the unit of its scores. */

/** @typedef {import("./answer.js").RowRule} RowRule */

/** @type {Record<RowRule, string>} */
export const RULE_HELP = {
  likelihood: "Under which garment’s Gaussian is z most probable? Its σ counts.",
  euclidean: "Which garment’s μ is closest to z? Its σ does not count.",
  "scaled-euclidean": "Which μ is closest, each dimension in units of its typical σ?",
  mahalanobis: "Which μ is closest in units of the garment’s own σ?",
  "student-t": "The likelihood with heavy tails: less sure of itself far away.",
  "round trip": "Decode z, encode the picture, and rank by likelihood there.",
  gate: "By likelihood at z where it is near, after a round trip where it is far.",
};

/**
 * Return what a row's scores are called.
 * @param {import("./rules.js").Rule} rule the rule that ranks
 */
export function unit(rule) {
  if (rule === "likelihood") return "log q";
  return rule === "student-t" ? "score" : "distance";
}
