/** The page's data: a manifest, and compressed files that it describes. */

import { readFloat16 } from "./float16.js";
import { Posteriors } from "./posteriors.js";

/**
 * @typedef {import("./answer.js").RowRule} RowRule
 * @typedef {{name: string, shape: number[], bytes: [number, number]}} TensorEntry
 * @typedef {{file: string, size: number, tensors: TensorEntry[]}} PartEntry
 * @typedef {{id: string, name: string, text: string, z: number[]}} Preset
 */

/**
 * @typedef {object} ModelEntry
 * @property {number} latent_dim
 * @property {number} familiar_below
 * @property {number[]} strength
 * @property {{decoder: PartEntry, encoder: PartEntry, posteriors: PartEntry}} parts
 * @property {Preset[]} presets
 */

/**
 * @typedef {object} Manifest
 * @property {string} name
 * @property {number} garments
 * @property {string[]} class_names
 * @property {string[]} class_colors
 * @property {Record<string, {name: string, color: string}>} rules
 * @property {string} labels
 * @property {{file: string, size: number, garments: number, columns: number}[]} sheets
 * @property {Record<string, ModelEntry>} models
 */

/** Reads the files of one folder, and says how much of them has arrived. */
export class Files {
  /**
   * @param {string} folder
   * @param {(bytes: number) => void} [arrived] told of every piece
   */
  constructor(folder, arrived = () => {}) {
    this.folder = folder;
    this.arrived = arrived;
  }

  /**
   * Fetch a file whole.
   * @param {string} name
   * @returns {Promise<Blob>}
   */
  async fetch(name) {
    const response = await fetch(this.folder + name);
    if (!response.ok || !response.body)
      throw new Error(`${name}: the server says ${response.status}`);
    const reader = response.body.getReader();
    const pieces = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return new Blob(pieces);
      pieces.push(value);
      this.arrived(value.length);
    }
  }

  /** @returns {Promise<Manifest>} */
  async manifest() {
    return JSON.parse(await (await this.fetch("manifest.json")).text());
  }

  /**
   * @param {string} name
   * @returns {Promise<Uint8Array>}
   */
  async unpacked(name) {
    const packed = await this.fetch(name);
    const stream = packed.stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /**
   * Read the tensors of a file, by name.
   * @param {PartEntry} part
   * @returns {Promise<Record<string, Float32Array>>}
   */
  async tensors(part) {
    const numbers = readFloat16(await this.unpacked(part.file));
    return Object.fromEntries(
      part.tensors.map(({ name, bytes: [start, end] }) => [
        name,
        numbers.subarray(start / 2, end / 2),
      ]),
    );
  }

  /**
   * Read the layers of a perceptron, first to last.
   * @param {PartEntry} part
   * @returns {Promise<import("./network.js").Layer[]>}
   */
  async layers(part) {
    const tensors = await this.tensors(part);
    return part.tensors
      .filter(({ name }) => name.endsWith(".weight"))
      .map(({ name }) => ({
        weight: tensors[name],
        bias: tensors[name.replace("weight", "bias")],
      }));
  }

  /**
   * @param {ModelEntry} entry
   * @returns {Promise<Posteriors>}
   */
  async posteriors(entry) {
    const { mean, std } = await this.tensors(entry.parts.posteriors);
    return new Posteriors(mean, std, entry.latent_dim);
  }
}
