/** Small tasks, each with the condition that fulfils it. */

/** @typedef {import("./answer.js").Answer} Answer */

/**
 * @typedef {object} Challenge
 * @property {string} id
 * @property {string} text
 * @property {(answer: Answer, z: number[]) => boolean} met
 */

/**
 * Return the probability of the first garment of a row that has probabilities.
 * @param {Answer} answer
 */
function highestProbability({ rows }) {
  return rows.find((row) => row.probabilities)?.probabilities?.[0] ?? 1;
}

/** @type {Challenge[]} */
export const CHALLENGES = [
  {
    id: "nothing",
    text: "Find a z on which the two rows share no garment at all.",
    met: ({ rows, shared }) => rows[0].rule !== rows[1].rule && shared.size === 0,
  },
  {
    id: "near-nothing",
    text: "Do it again while the badge says that z is near a garment.",
    met: ({ rows, shared, familiar }) =>
      rows[0].rule !== rows[1].rule && shared.size === 0 && familiar,
  },
  {
    id: "undecided",
    text: "Stay near, and find a z where no garment has a probability above 15 %.",
    met: (answer) => answer.familiar && highestProbability(answer) <= 0.15,
  },
  {
    id: "far",
    text: "Get far from every garment with every number of z between −2 and 2.",
    met: ({ familiar }, z) => !familiar && z.every((value) => Math.abs(value) <= 2),
  },
  {
    id: "same",
    text: "Stay near, and find a z on which both rows share at least eight garments.",
    met: ({ rows, shared, familiar }) =>
      rows[0].rule !== rows[1].rule && familiar && shared.size >= 8,
  },
];
