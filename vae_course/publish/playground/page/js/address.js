/** The part of the page's address that says where the reader is, so that a link leads there. */

import { ROW_RULES } from "./answer.js";

/** @typedef {import("./answer.js").RowRule} RowRule */

/**
 * A position of a tour.
 * @typedef {{title: string, z: number[]}} Stop
 */

/**
 * @typedef {object} Place
 * @property {number} latentDim the model: 10 for the sliders, 2 for the map
 * @property {number[]} [z]
 * @property {RowRule[]} [rules] of both rows
 * @property {string} [panel] the panel below the rows
 * @property {Stop[]} [tour]
 * @property {number} [at] the stop of the tour, counted from 0
 */

const LARGEST = 1000;

/**
 * Return the place that the address names. What does not make sense is left out.
 * @param {string} hash with or without its #
 * @returns {Place}
 */
export function parse(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const tour = (fields.get("tour") ?? "").split(";").map(parseStop).filter(isPresent);
  const at = Math.min(Math.max(0, Number(fields.get("at")) || 0), Math.max(0, tour.length - 1));
  const z = parseZ(fields.get("z") ?? "") ?? tour[at]?.z;
  const rules = (fields.get("rows") ?? "").split(",").filter(isRule);
  return {
    latentDim: z ? z.length : fields.get("view") === "map" ? 2 : 10,
    z,
    rules: rules.length === 2 ? rules : undefined,
    panel: fields.get("panel") ?? undefined,
    tour: tour.length ? tour : undefined,
    at,
  };
}

/**
 * Return the address of a place, beginning with #.
 * @param {Place} place
 * @returns {string}
 */
export function format({ latentDim, z, rules, panel, tour, at }) {
  const fields = new URLSearchParams();
  fields.set("view", latentDim === 2 ? "map" : "sliders");
  if (z) fields.set("z", z.join(","));
  if (rules) fields.set("rows", rules.join(","));
  if (panel) fields.set("panel", panel);
  if (tour?.length) {
    fields.set("tour", tour.map((stop) => `${stop.z.join(",")}~${plain(stop.title)}`).join(";"));
    fields.set("at", String(at ?? 0));
  }
  return "#" + fields.toString().replaceAll("%2C", ",").replaceAll("%7E", "~");
}

/** @param {string} text */
function parseStop(text) {
  const [numbers, ...title] = text.split("~");
  const z = parseZ(numbers);
  return z && { z, title: title.join("~") };
}

/**
 * @param {string} text
 * @returns {number[] | undefined}
 */
function parseZ(text) {
  const numbers = text.split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
  const sound = numbers.every((value) => Number.isFinite(value) && Math.abs(value) <= LARGEST);
  return sound && (numbers.length === 2 || numbers.length === 10) ? numbers : undefined;
}

/** @param {string} title */
function plain(title) {
  return title.replaceAll(";", ",");
}

/**
 * @param {string} text
 * @returns {text is RowRule}
 */
function isRule(text) {
  return ROW_RULES.some((rule) => rule === text);
}

/**
 * @template T
 * @param {T | undefined} value
 * @returns {value is T}
 */
function isPresent(value) {
  return value !== undefined;
}
