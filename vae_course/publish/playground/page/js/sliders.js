/** The sliders, strongest dimension first, with μ ± σ of the marked garments on each. */

import { element, setText } from "./dom.js";
import { number } from "./text.js";

export const LOW = -5;
export const HIGH = 5;
const STEP = 0.05;

/** @typedef {import("./scene.js").Scene} Scene */
/** @typedef {{mean: number[], std: number[]}} Gaussian */

/**
 * @typedef {object} Line
 * @property {HTMLElement} root
 * @property {HTMLInputElement} slider
 * @property {HTMLInputElement} entry
 * @property {HTMLElement[]} bands one for each row of garments, and one for the reader's picture
 * @property {HTMLElement} cloud
 */

export class Sliders {
  /**
   * @param {HTMLElement} root
   * @param {number[]} strength how much each dimension matters to the picture
   * @param {{moved: (j: number, value: number, gesture: string) => void, settled: () => void}} calls
   */
  constructor(root, strength, calls) {
    this.calls = calls;
    const strongest = Math.max(...strength);
    const order = strength.map((_, j) => j).sort((a, b) => strength[b] - strength[a]);
    /** @type {Line[]} */
    this.lines = [];
    for (const j of order) this.lines[j] = this.line(j, strength[j], strength[j] / strongest);
    root.replaceChildren(...order.map((j) => this.lines[j].root));
    root.style.setProperty("--lines", String(Math.ceil(order.length / 2)));
  }

  /**
   * @param {number} j
   * @param {number} strength
   * @param {number} share of the strongest
   * @returns {Line}
   */
  line(j, strength, share) {
    const name = `z${j + 1}`;
    const slider = element("input", {
      type: "range",
      min: LOW,
      max: HIGH,
      step: STEP,
      "aria-label": name,
    });
    const entry = element("input", {
      type: "text",
      inputmode: "decimal",
      "aria-label": `${name} as a number`,
    });
    const bands = ["band-0", "band-1", "band-own"].map((kind) =>
      element("span", { class: `band ${kind}` }),
    );
    const cloud = element("span", { class: "cloud" });
    const meter = element("span", { class: "meter" }, element("span"));
    meter.style.setProperty("--share", String(share));
    const root = element(
      "div",
      {
        class: "slider",
        title: `${name}: shuffled among garments, the picture loses ${strength} nats`,
      },
      element("span", { class: "name" }, name, meter),
      element(
        "span",
        { class: "track" },
        element("span", { class: "lanes" }, ...bands, cloud),
        slider,
      ),
      entry,
    );
    slider.addEventListener("input", () => {
      this.calls.moved(j, Math.round(slider.valueAsNumber * 100) / 100, name);
    });
    slider.addEventListener("change", () => this.calls.settled());
    entry.addEventListener("change", () => this.entered(j, entry.value));
    return { root, slider, entry, bands, cloud };
  }

  /**
   * @param {number} j
   * @param {string} text
   */
  entered(j, text) {
    const value = Number(text.trim().replace("−", "-").replace(",", "."));
    const sound = text.trim() !== "" && Number.isFinite(value) && Math.abs(value) <= 1000;
    this.lines[j].entry.toggleAttribute("aria-invalid", !sound);
    if (sound) this.calls.moved(j, value, `${j} typed`);
    this.calls.settled();
  }

  /** @param {Scene} scene */
  update(scene) {
    const gaussians = [...scene.marked.map((garment) => gaussianOf(scene, garment)), scene.own];
    this.lines.forEach(({ root, slider, entry, bands, cloud }, j) => {
      const value = scene.z[j];
      if (slider.valueAsNumber !== value) slider.value = String(value);
      slider.setAttribute("aria-valuetext", number(value));
      if (document.activeElement !== entry) {
        const text = number(value);
        if (entry.value !== text) entry.value = text;
        entry.removeAttribute("aria-invalid");
      }
      root.classList.toggle("outside", value < LOW || value > HIGH);
      bands.forEach((band, which) => place(band, gaussians[which], j));
      scatter(cloud, scene.cloud, j);
    });
  }
}

/**
 * @param {Scene} scene
 * @param {number | undefined} garment
 * @returns {Gaussian | undefined}
 */
function gaussianOf({ model }, garment) {
  if (garment === undefined || !model.posteriors) return undefined;
  return { mean: model.posteriors.meanOf(garment), std: model.posteriors.stdOf(garment) };
}

/**
 * Lay a band over μ ± σ of one dimension.
 * @param {HTMLElement} band
 * @param {Gaussian | undefined} gaussian
 * @param {number} j
 */
function place(band, gaussian, j) {
  band.hidden = !gaussian;
  if (!gaussian) return;
  const left = share(gaussian.mean[j] - gaussian.std[j]);
  band.style.left = `${left}%`;
  band.style.width = `${share(gaussian.mean[j] + gaussian.std[j]) - left}%`;
}

/**
 * Draw one dot for each sampled z.
 * @param {HTMLElement} cloud
 * @param {number[][]} samples
 * @param {number} j
 */
function scatter(cloud, samples, j) {
  while (cloud.childElementCount > samples.length) cloud.lastElementChild?.remove();
  while (cloud.childElementCount < samples.length) cloud.append(element("i"));
  samples.forEach((z, i) => {
    /** @type {HTMLElement} */ (cloud.children[i]).style.left = `${share(z[j])}%`;
  });
}

/**
 * Return where a value lies on the track, in per cent.
 * @param {number} value
 */
function share(value) {
  return Math.min(100, Math.max(0, (100 * (value - LOW)) / (HIGH - LOW)));
}

/**
 * Say what the bands are.
 * @param {HTMLElement} key
 * @param {Scene} scene
 */
export function updateKey(key, scene) {
  const names = scene.marked.map((garment) =>
    garment === undefined ? "\u00a0" : `${scene.garments?.className(garment) ?? ""} ${garment}`,
  );
  if (!key.childElementCount) {
    const lanes = [0, 1, "own"].map((which) => element("span", { class: `lane-${which}` }));
    key.append("μ ± σ of", ...lanes, element("i", { class: "note" }, "strongest dimension first"));
  }
  const [first, second, own] = key.querySelectorAll("span");
  setText(first, names[0]);
  setText(second, names[1]);
  setText(own, "your picture");
  own.hidden = !scene.own;
}
