/** The playground's core modules, each against a formula or a case worked out by hand. */

import assert from "node:assert/strict";
import { test } from "node:test";

const JS = "../../vae_course/publish/playground/page/js/";
const { fromBits, readFloat16 } = await import(JS + "float16.js");
const { decode, encode, forward } = await import(JS + "network.js");
const { Posteriors } = await import(JS + "posteriors.js");
const { RULES, Scores, best, largestFirst, placeOf, probabilities } = await import(JS + "rules.js");
const { ask } = await import(JS + "answer.js");
const { shares } = await import(JS + "shares.js");
const { sample, standardNormal } = await import(JS + "random.js");

/** A generator of uniform numbers with a seed (mulberry32). */
function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function somePosteriors(count = 50, d = 3) {
  const uniform = seeded(1);
  const mean = Float32Array.from(standardNormal(count * d, uniform));
  const std = Float32Array.from({ length: count * d }, () => 0.05 + uniform());
  return new Posteriors(mean, std, d);
}

const close = (a, b, tolerance = 1e-9) =>
  assert.ok(Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b)), `${a} is not near ${b}`);

test("float16: ones, halves, the smallest number, infinities", () => {
  assert.equal(fromBits(0x3c00), 1);
  assert.equal(fromBits(0xb800), -0.5);
  assert.equal(fromBits(0x0001), 2 ** -24);
  assert.equal(fromBits(0x7bff), 65504);
  assert.equal(fromBits(0xfc00), -Infinity);
  assert.ok(Number.isNaN(fromBits(0x7e00)));
});

test("float16: low bytes first, then high bytes", () => {
  assert.deepEqual([...readFloat16(new Uint8Array([0x00, 0x00, 0x3c, 0xb8]))], [1, -0.5]);
});

test("a perceptron by hand: SiLU between layers, none at the end", () => {
  const layers = [
    { weight: new Float32Array([1, 2, 3, 4]), bias: new Float32Array([1, -20]) },
    { weight: new Float32Array([1, -1]), bias: new Float32Array([0.5]) },
  ];
  const silu = (x) => x / (1 + Math.exp(-x));
  close(forward(layers, [1, 1])[0], silu(4) - silu(-13) + 0.5, 1e-6);
  close(decode(layers, [1, 1])[0], 1 / (1 + Math.exp(-(silu(4) - silu(-13) + 0.5))), 1e-6);
});

test("the encoder's outputs are means, then log variances", () => {
  const layers = [{ weight: new Float32Array([1, 0, 0, 2]), bias: new Float32Array(2) }];
  const { mean, std } = encode(layers, [3, 1]);
  assert.deepEqual(mean, [3]);
  close(std[0], Math.E);
});

test("every rule scores as its formula says", () => {
  const posteriors = somePosteriors();
  const z = [0.3, -1.2, 2];
  const scores = Object.fromEntries(RULES.map((r) => [r, new Scores(posteriors, z).by(r)]));
  for (const n of [0, 17, 49]) {
    const [mu, sigma] = [posteriors.meanOf(n), posteriors.stdOf(n)];
    const sum = (f) => mu.reduce((total, _, j) => total + f(j), 0);
    const m2 = sum((j) => ((z[j] - mu[j]) / sigma[j]) ** 2);
    const logStd = sum((j) => Math.log(sigma[j]));
    close(scores.likelihood[n], -m2 / 2 - logStd - 1.5 * Math.log(2 * Math.PI));
    close(scores.euclidean[n], Math.hypot(...mu.map((m, j) => z[j] - m)));
    close(scores.mahalanobis[n], Math.sqrt(m2));
    // log Γ(2) − log Γ(1/2) − (3/2) log π
    const constant = -2 * Math.log(Math.PI);
    close(scores["student-t"][n], -0.5 * 4 * Math.log(1 + m2) - logStd + constant);
    const rms = mu.map((_, j) => {
      const squares = Array.from({ length: 50 }, (_, g) => posteriors.stdOf(g)[j] ** 2);
      return Math.sqrt(squares.reduce((a, b) => a + b) / 50);
    });
    close(scores["scaled-euclidean"][n], Math.sqrt(sum((j) => ((z[j] - mu[j]) / rms[j]) ** 2)));
  }
});

test("the best are in order; of equals, the lower index comes first", () => {
  assert.deepEqual(best([3, 1, 2, 1, 5], 3, false), [1, 3, 2]);
  assert.deepEqual(best([3, 5, 2, 5, 5], 4, true), [1, 3, 4, 0]);
  const uniform = seeded(7);
  const scores = Array.from({ length: 500 }, () => Math.floor(40 * uniform()));
  for (const largest of [true, false]) {
    const order = [...scores.keys()].sort((a, b) => (largest ? -1 : 1) * (scores[a] - scores[b]));
    assert.deepEqual(best(scores, 10, largest), order.slice(0, 10));
    assert.equal(placeOf(scores, order[123], largest), 124);
  }
});

test("probabilities are a softmax over all garments, also far away", () => {
  const [first, second] = probabilities([-5000, -5001, -5000.5], [0, 1]);
  close(first, 1 / (1 + Math.exp(-1) + Math.exp(-0.5)));
  close(second / first, Math.exp(-1));
});

test("the shares of the dimensions make up the score, or the squared distance", () => {
  const posteriors = somePosteriors();
  const z = [0.3, -1.2, 2];
  for (const rule of RULES) {
    const score = new Scores(posteriors, z).by(rule)[11];
    const total = shares(posteriors, 11, z, rule).reduce((sum, { share }) => sum + share, 0);
    close(total, largestFirst(rule) ? score : score ** 2);
  }
  const mu = posteriors.meanOf(11);
  assert.ok(shares(posteriors, 11, mu, "student-t").every(({ share }) => Number.isFinite(share)));
});

test("the gate asks at z where it is near a garment, else at the round trip", () => {
  const posteriors = somePosteriors(50, 1);
  const halve = [{ weight: new Float32Array([0.5, 0]), bias: new Float32Array(2) }];
  const logit = [{ weight: new Float32Array([1]), bias: new Float32Array(1) }];
  const model = { posteriors, decoder: logit, encoder: halve, familiarBelow: 10.8 };
  const near = ask(model, posteriors.meanOf(3), ["gate", "likelihood"], 5);
  assert.equal(near.familiar, true);
  assert.deepEqual(near.rows[0].garments, near.rows[1].garments);
  assert.equal(near.shared.size, 5);
  const far = ask(model, [40], ["gate", "round trip", "euclidean"], 5);
  assert.equal(far.familiar, false);
  const there = 0.5 / (1 + Math.exp(-40));
  close(far.rows[0].at.z[0], there, 1e-6);
  assert.deepEqual(far.rows[0].garments, far.rows[1].garments);
  const direct = new Scores(posteriors, far.rows[0].at.z).by("likelihood");
  assert.deepEqual(far.rows[0].garments, best(direct, 5, true));
});

test("what the rows share keeps its place in the first row", () => {
  const posteriors = new Posteriors(
    new Float32Array([0, 1, 2, 3]),
    new Float32Array([1, 1, 0.01, 1]),
    1,
  );
  const model = { posteriors, decoder: [], encoder: undefined, familiarBelow: 10.8 };
  const { rows, shared } = ask(model, [1.4], ["likelihood", "euclidean"], 2);
  assert.deepEqual(rows[0].garments, [1, 0]);
  assert.deepEqual(rows[1].garments, [1, 2]);
  assert.deepEqual([...shared], [[1, 1]]);
});

test("random draws have the mean and the spread that they should", () => {
  const eps = standardNormal(20000, seeded(3));
  const mean = eps.reduce((a, b) => a + b) / eps.length;
  const variance = eps.reduce((a, b) => a + b * b) / eps.length;
  assert.ok(Math.abs(mean) < 0.03 && Math.abs(variance - 1) < 0.05, `${mean}, ${variance}`);
  const [z] = sample({ mean: [5], std: [0] });
  assert.equal(z, 5);
});
