/** The pictures and the classes of the garments, as they arrive. */

import { context } from "./dom.js";

const SIDE = 28;

/** @typedef {import("./files.js").Manifest} Manifest */

export class Garments {
  /**
   * @param {Manifest} manifest
   * @param {Uint8Array} labels the class of each garment
   */
  constructor(manifest, labels) {
    this.manifest = manifest;
    this.labels = labels;
    /** where each garment lies among the sheets: class by class, each in the order of the data */
    this.place = new Uint32Array(labels.length);
    const order = Array.from(labels.keys()).sort((a, b) => labels[a] - labels[b] || a - b);
    order.forEach((garment, place) => (this.place[garment] = place));
    /** @type {(ImageBitmap | undefined)[]} */
    this.sheets = [];
    this.perSheet = manifest.sheets[0].garments;
  }

  /**
   * Load all sheets; `arrived` is called for each one.
   * @param {import("./files.js").Files} files
   * @param {() => void} arrived
   */
  async load(files, arrived) {
    await Promise.all(
      this.manifest.sheets.map(async ({ file }, number) => {
        const packed = await files.fetch(file);
        this.sheets[number] = await createImageBitmap(new Blob([packed], { type: "image/webp" }));
        arrived();
      }),
    );
  }

  /** @param {number} garment */
  className(garment) {
    return this.manifest.class_names[this.labels[garment]];
  }

  /** @param {number} garment */
  color(garment) {
    return this.manifest.class_colors[this.labels[garment] % this.manifest.class_colors.length];
  }

  /**
   * Draw a garment, unless the canvas shows it already; grey until its picture has arrived.
   * @param {HTMLCanvasElement} canvas of 28×28 pixels
   * @param {number} garment
   */
  draw(canvas, garment) {
    const sheet = this.sheets[Math.floor(this.place[garment] / this.perSheet)];
    const shown = sheet ? String(garment) : "none";
    if (canvas.dataset.garment === shown) return;
    canvas.dataset.garment = shown;
    const drawing = context(canvas);
    if (!sheet) {
      drawing.fillStyle = "#444";
      drawing.fillRect(0, 0, SIDE, SIDE);
      return;
    }
    const place = this.place[garment] % this.perSheet;
    const columns = this.manifest.sheets[0].columns;
    const x = SIDE * (place % columns);
    const y = SIDE * Math.floor(place / columns);
    drawing.setTransform(0, 1, 1, 0, 0, 0); // on the sheets the garments lie on their side
    drawing.drawImage(sheet, x, y, SIDE, SIDE, 0, 0, SIDE, SIDE);
    drawing.resetTransform();
  }
}
