/** Loads models and garments, what is needed first first. */

import { Garments } from "./garments.js";

/** @typedef {import("./scene.js").LoadedModel} LoadedModel */

export class Loader {
  /**
   * @param {import("./files.js").Manifest} manifest
   * @param {import("./files.js").Files} files
   * @param {() => void} arrived called whenever there is more to show
   */
  constructor(manifest, files, arrived) {
    this.manifest = manifest;
    this.files = files;
    this.arrived = arrived;
    /** @type {Record<number, Partial<LoadedModel>>} */
    this.models = {};
    /** @type {Record<number, Promise<void>>} */
    this.loading = {};
    /** @type {Garments | undefined} */
    this.garments = undefined;
    /** @type {Promise<Uint8Array> | undefined} */
    this.labels = undefined;
    /** @type {Promise<void> | undefined} */
    this.pictures = undefined;
  }

  /**
   * Return a promise that a model, and all pictures, are there.
   * @param {number} latentDim
   */
  loaded(latentDim) {
    this.loading[latentDim] ??= this.load(latentDim);
    return this.loading[latentDim];
  }

  /**
   * Load a model: its decoder first, since a picture needs nothing else.
   * @param {number} latentDim
   */
  async load(latentDim) {
    const entry = this.manifest.models[latentDim];
    /** @type {Partial<LoadedModel>} */
    const model = { entry, familiarBelow: entry.familiar_below };
    this.models[latentDim] = model;
    model.decoder = await this.files.layers(entry.parts.decoder);
    this.arrived();
    [model.posteriors] = await Promise.all([this.files.posteriors(entry), this.loadLabels()]);
    this.arrived();
    model.encoder = await this.files.layers(entry.parts.encoder);
    this.arrived();
    await this.loadPictures();
  }

  /** Load the garments' classes. */
  async loadLabels() {
    this.labels ??= this.files.unpacked(this.manifest.labels);
    const labels = await this.labels;
    this.garments ??= new Garments(this.manifest, labels);
  }

  /** Load the garments' pictures. */
  async loadPictures() {
    this.pictures ??= this.garments?.load(this.files, () => this.arrived());
    await this.pictures;
  }
}
