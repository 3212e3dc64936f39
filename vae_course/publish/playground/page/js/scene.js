/** What the page shows at one moment; every view draws its part of it. */

/**
 * A model of which parts may still be on their way.
 * @typedef {object} LoadedModel
 * @property {import("./network.js").Layer[]} decoder
 * @property {import("./network.js").Layer[] | undefined} encoder
 * @property {import("./posteriors.js").Posteriors | undefined} posteriors
 * @property {number} familiarBelow
 * @property {import("./files.js").ModelEntry} entry
 */

/**
 * @typedef {object} Scene
 * @property {number} latentDim
 * @property {number[]} z
 * @property {LoadedModel} model
 * @property {Float32Array} picture the decoded picture
 * @property {import("./garments.js").Garments | undefined} garments
 * @property {import("./answer.js").Answer | undefined} answer until the posteriors are there, none
 * @property {import("./answer.js").RowRule[]} rules of both rows
 * @property {(number | undefined)[]} marked the garment that is marked in each row
 * @property {number} focusRow the row of the garment that the page explains
 * @property {boolean} held whether that garment stays marked when z moves
 * @property {{mean: number[], std: number[]} | undefined} own the posterior of the reader's picture
 * @property {number[][]} cloud samples of it
 */

export {};
