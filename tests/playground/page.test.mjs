/** The playground's smaller modules: addresses, undo, walks, pictures, the map, challenges. */

import assert from "node:assert/strict";
import { test } from "node:test";

const JS = "../../vae_course/publish/playground/page/js/";
const { format, parse } = await import(JS + "address.js");
const { Undo } = await import(JS + "undo.js");
const { Walk, between } = await import(JS + "walk.js");
const { asGarment } = await import(JS + "prepare.js");
const { fromZ, toZ, winners } = await import(JS + "plane.js");
const { Posteriors } = await import(JS + "posteriors.js");
const { CHALLENGES } = await import(JS + "challenges.js");
const { number, percent, rounded, scoreText } = await import(JS + "text.js");

test("an address leads back to its place", () => {
  const place = {
    latentDim: 10,
    z: [0.5, -1.25, 0, 3, 4.0001, 0, 0, 0, 0, -5],
    rules: ["student-t", "round trip"],
    panel: "own",
    tour: [
      { title: "Far & wide, 100 % ~ really", z: [9, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
      { title: "", z: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
    ],
    at: 1,
  };
  assert.deepEqual(parse(format(place)), place);
});

test("an address with a tour and no z begins at the tour's stop", () => {
  const { z, latentDim, at } = parse("#tour=1,2~One;3,4~Two&at=7");
  assert.deepEqual([z, latentDim, at], [[3, 4], 2, 1]);
});

test("what makes no sense in an address is left out", () => {
  for (const hash of ["", "#", "#z=1,2,3", "#z=a,b", "#z=1,", "#z=1e9,0", "#rows=best,euclidean"]) {
    assert.deepEqual(parse(hash), {
      latentDim: 10,
      z: undefined,
      rules: undefined,
      panel: undefined,
      tour: undefined,
      at: 0,
    });
  }
  assert.equal(parse("#view=map").latentDim, 2);
});

test("undo goes back a gesture at a time", () => {
  const undo = new Undo();
  undo.leave("a", "z1");
  undo.leave("b", "z1");
  undo.leave("c", "z2");
  undo.leave("d");
  undo.leave("e");
  assert.deepEqual(
    [undo.back(), undo.back(), undo.back(), undo.back(), undo.back()],
    ["e", "d", "c", "a", undefined],
  );
  undo.leave("a", "z1");
  undo.settle();
  undo.leave("b", "z1");
  assert.equal(undo.back(), "b");
});

test("a walk turns round at its ends", () => {
  assert.deepEqual(between([0, 2], [4, -2], 0.25), [1, 1]);
  const walk = new Walk(() => {}, 2);
  walk.advance(1);
  assert.equal(walk.t, 0.5);
  walk.advance(5);
  assert.equal(walk.t, 1);
  walk.advance(0.5);
  assert.equal(walk.t, 0.75);
});

function picture(width, height, rgba) {
  const data = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < width * height; i++) data.set(rgba(i % width, Math.floor(i / width)), 4 * i);
  return { width, height, data };
}

test("a dark garment on white becomes a light one on black, a light one on black stays", () => {
  const inside = (x, y) => x >= 16 && x < 40 && y >= 16 && y < 40;
  const dark = picture(56, 56, (x, y) => (inside(x, y) ? [0, 0, 0, 255] : [255, 255, 255, 255]));
  const light = picture(56, 56, (x, y) => (inside(x, y) ? [255, 255, 255, 255] : [0, 0, 0, 255]));
  const garment = asGarment(dark);
  assert.equal(garment[14 * 28 + 14], 255);
  assert.equal(garment[0], 0);
  assert.deepEqual([...garment], [...asGarment(light)]);
});

test("a tall picture stands in the middle, and nothing is added beside it but black", () => {
  const garment = asGarment(picture(10, 40, () => [200, 200, 200, 255]));
  // a light background is turned dark: 200 becomes 55
  const row = [...garment.slice(14 * 28, 15 * 28)];
  assert.deepEqual(row, [...Array(10).fill(0), ...Array(7).fill(55), ...Array(11).fill(0)]);
});

test("a transparent picture is refused; a dark garment on none is turned light", () => {
  assert.throws(() => asGarment(picture(5, 5, () => [9, 9, 9, 0])), /transparent/);
  const cut = picture(28, 28, (x) => (x > 8 && x < 20 ? [30, 30, 30, 255] : [0, 0, 0, 0]));
  assert.equal(asGarment(cut)[14 * 28 + 14], 225);
});

test("the map: places and back, and the winners of a line", () => {
  const view = { centre: [1, -2], half: 4 };
  assert.deepEqual(toZ(view, 0, 0), [-3, 2]);
  assert.deepEqual(fromZ(view, toZ(view, 0.25, 0.75)), [0.25, 0.75]);
  const posteriors = new Posteriors(
    new Float32Array([-2, 0, 2, 0]),
    new Float32Array(4).fill(1),
    2,
  );
  const line = winners(posteriors, "euclidean", { centre: [0, 0], half: 4 }, 6, 2);
  assert.deepEqual([...line], [0, 0, 0, 1, 1, 1]);
});

test("challenges notice that they are met, and only then", () => {
  const answer = (rules, shared, familiar, p) => ({
    rows: rules.map((rule) => ({ rule, probabilities: rule === "likelihood" ? [p] : undefined })),
    shared: new Map(Array.from({ length: shared }, (_, i) => [i, i + 1])),
    familiar,
    mahalanobis2: 1,
  });
  const met = (state, z = [3]) => CHALLENGES.filter((c) => c.met(state, z)).map(({ id }) => id);
  const both = ["likelihood", "euclidean"];
  assert.deepEqual(met(answer(both, 0, false, 1)), ["nothing"]);
  assert.deepEqual(met(answer(both, 0, true, 1)), ["nothing", "near-nothing"]);
  assert.deepEqual(met(answer(both, 3, true, 0.1)), ["undecided"]);
  assert.deepEqual(met(answer(both, 3, false, 0.1), [1, -2]), ["far"]);
  assert.deepEqual(met(answer(both, 8, true, 1)), ["same"]);
  assert.deepEqual(met(answer(["likelihood", "likelihood"], 10, true, 1)), []);
});

test("numbers as text", () => {
  assert.equal(number(-1.005, 1), "−1.0");
  assert.equal(number(-0.001, 1), "0.0");
  assert.equal(percent(0.0001), "< 0.1 %");
  assert.equal(percent(0.98), "98.0 %");
  assert.equal(scoreText(-1234.5, false), "−1235");
  assert.equal(scoreText(12.345, true), "12.3");
  assert.deepEqual(rounded([1.23456, -0.00001]), [1.2346, 0]);
});

test("the map finds the winners that the rules find", async () => {
  const { RULES, Scores, best, largestFirst } = await import(JS + "rules.js");
  let seed = 5;
  const uniform = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const mean = Float32Array.from({ length: 400 }, () => 6 * uniform() - 3);
  const std = Float32Array.from({ length: 400 }, () => 0.05 + uniform());
  const posteriors = new Posteriors(mean, std, 2);
  const view = { centre: [0.5, -0.5], half: 4 };
  for (const rule of RULES) {
    for (let line = 0; line < 30; line += 7) {
      const expected = Array.from({ length: 30 }, (_, column) => {
        const z = toZ(view, (column + 0.5) / 30, (line + 0.5) / 30);
        return best(new Scores(posteriors, z).by(rule), 1, largestFirst(rule))[0];
      });
      assert.deepEqual([...winners(posteriors, rule, view, 30, line)], expected, rule);
    }
  }
});
