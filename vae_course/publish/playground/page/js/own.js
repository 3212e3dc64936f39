/** The reader's own picture: drawn, uploaded or pasted, then encoded. */

import { button, byId, context, drawPixels, element, setText } from "./dom.js";
import { decode, encode } from "./network.js";
import { asGarment } from "./prepare.js";
import { sample } from "./random.js";
import { number } from "./text.js";

/** @typedef {import("./scene.js").Scene} Scene */

const SIZE = 280; // pixels of the canvas that the reader draws on
const MOST_PIXELS = 50_000_000;
const RANGE = 5; // of the bars

export class Own {
  /**
   * @param {HTMLElement} root
   * @param {{changed: () => void, goTo: (z: number[]) => void}} calls
   */
  constructor(root, calls) {
    this.calls = calls;
    /** @type {Uint8ClampedArray | undefined} the prepared picture */
    this.pixels = undefined;
    /** @type {Record<number, {mean: number[], std: number[]}>} its posterior under each model */
    this.posterior = {};
    /** @type {number[][]} */
    this.cloud = [];
    /** @type {Scene | undefined} */
    this.scene = undefined;
    this.sheet = element("canvas", {
      width: SIZE,
      height: SIZE,
      class: "sheet",
      role: "img",
      "aria-label": "A black sheet: draw a garment in white with the mouse or a finger",
    });
    this.invitation = element(
      "span",
      { class: "invitation", "aria-hidden": "true" },
      "Draw a garment here",
    );
    this.prepared = element("canvas", {
      width: 28,
      height: 28,
      class: "large",
      role: "img",
      "aria-label": "The picture as the encoder gets it",
    });
    this.decoded = element("canvas", {
      width: 28,
      height: 28,
      class: "large",
      role: "img",
      "aria-label": "What its μ decodes to",
    });
    this.message = element("p", { class: "message", role: "status" });
    this.brush = element("input", {
      type: "range",
      min: 8,
      max: 60,
      value: 26,
      "aria-label": "Width of the brush",
    });
    this.file = element("input", {
      type: "file",
      accept: "image/png,image/jpeg,image/webp",
      id: "own-file",
    });
    this.file.addEventListener("change", () => {
      const [file] = this.file.files ?? [];
      if (file) this.take(file);
      this.file.value = "";
    });
    this.bars = element("div", { class: "gaussians", role: "img" });
    this.actions = [
      button("Go to its μ", () => this.go((posterior) => posterior.mean)),
      button("Sample one z", () => this.sampleOne()),
      button("Sample 100", () => this.sampleMany(100)),
      button("Remove", () => this.clear()),
    ];
    root.append(
      element(
        "p",
        { class: "hint" },
        "The encoder turns your picture into a Gaussian. Its μ ± σ appears on the sliders and on the map; every sample z = μ + σ ε decodes to a picture of its own.",
      ),
      element(
        "div",
        { class: "own" },
        element(
          "div",
          { class: "drawing" },
          element("div", { class: "paper" }, this.sheet, this.invitation),
          element(
            "p",
            { class: "line" },
            element("label", { class: "small" }, "Brush ", this.brush),
            button("Clear", () => this.clear()),
          ),
        ),
        element(
          "div",
          { class: "sources" },
          element("p", {}, element("label", { for: "own-file" }, "Upload a picture"), this.file),
          element("p", { class: "small" }, "or paste one with Ctrl+V, or take"),
          element(
            "p",
            { class: "buttons" },
            button("the decoded picture", () =>
              this.takeCanvas(byId("picture", HTMLCanvasElement)),
            ),
            button("the marked garment", () => this.takeMarked()),
          ),
          element(
            "p",
            { class: "small" },
            "A picture shrinks as a whole to 28×28 grey pixels; on a light background, light and dark are swapped.",
          ),
          this.message,
        ),
        element(
          "div",
          { class: "encoded" },
          element("figure", {}, this.prepared, element("figcaption", {}, "what the encoder gets")),
          element("figure", {}, this.decoded, element("figcaption", {}, "what its μ decodes to")),
        ),
        element(
          "div",
          { class: "posterior" },
          this.bars,
          element("p", { class: "buttons" }, ...this.actions),
        ),
      ),
    );
    this.blank();
    this.listen();
    this.show();
  }

  listen() {
    /** @type {[number, number] | undefined} */
    let last;
    /** @param {PointerEvent} event */
    const at = (event) => {
      const box = this.sheet.getBoundingClientRect();
      return /** @type {[number, number]} */ ([
        ((event.clientX - box.left) / box.width) * SIZE,
        ((event.clientY - box.top) / box.height) * SIZE,
      ]);
    };
    this.sheet.addEventListener("pointerdown", (event) => {
      this.sheet.setPointerCapture(event.pointerId);
      last = at(event);
      this.stroke(last, last);
    });
    this.sheet.addEventListener("pointermove", (event) => {
      if (!last) return;
      const next = at(event);
      this.stroke(last, next);
      last = next;
    });
    for (const end of ["pointerup", "pointercancel"]) {
      this.sheet.addEventListener(end, () => (last = undefined));
    }
    document.addEventListener("paste", (event) => {
      const file = Array.from(event.clipboardData?.files ?? []).find(({ type }) =>
        type.startsWith("image/"),
      );
      if (file) this.take(file);
    });
  }

  /**
   * @param {[number, number]} from
   * @param {[number, number]} to
   */
  stroke(from, to) {
    const drawing = context(this.sheet);
    drawing.lineWidth = this.brush.valueAsNumber;
    drawing.lineCap = drawing.lineJoin = "round";
    drawing.strokeStyle = "#fff";
    drawing.beginPath();
    drawing.moveTo(...from);
    drawing.lineTo(to[0] + 0.01, to[1]);
    drawing.stroke();
    this.encode(drawing.getImageData(0, 0, SIZE, SIZE));
  }

  blank() {
    const drawing = context(this.sheet);
    drawing.fillStyle = "#000";
    drawing.fillRect(0, 0, SIZE, SIZE);
  }

  clear() {
    this.blank();
    this.pixels = undefined;
    this.posterior = {};
    this.cloud = [];
    setText(this.message, "");
    this.show();
    this.calls.changed();
  }

  /**
   * Take a file that was uploaded or pasted.
   * @param {Blob} file
   */
  async take(file) {
    try {
      const picture = await createImageBitmap(file); // upright, as the camera noted
      if (picture.width * picture.height > MOST_PIXELS)
        throw new Error("The picture is too large.");
      const canvas = element("canvas", { width: picture.width, height: picture.height });
      context(canvas).drawImage(picture, 0, 0);
      this.takeCanvas(canvas);
    } catch (error) {
      const isOurs = error instanceof Error && error.message.startsWith("The picture");
      setText(
        this.message,
        isOurs ? error.message : "This file is not a picture that the browser can read.",
      );
    }
  }

  /** @param {HTMLCanvasElement} canvas */
  takeCanvas(canvas) {
    this.encode(context(canvas).getImageData(0, 0, canvas.width, canvas.height));
    if (this.pixels) this.copyToSheet();
  }

  takeMarked() {
    const { garments, marked, focusRow } = this.scene ?? {};
    const garment = marked?.[focusRow ?? 0];
    if (!garments || garment === undefined) return;
    const canvas = element("canvas", { width: 28, height: 28 });
    garments.draw(canvas, garment);
    this.takeCanvas(canvas);
  }

  /** Show the prepared picture on the sheet, so that the reader can draw on it. */
  copyToSheet() {
    const drawing = context(this.sheet);
    drawing.imageSmoothingEnabled = false;
    drawing.drawImage(this.prepared, 0, 0, SIZE, SIZE);
  }

  /** @param {ImageData} image */
  encode(image) {
    this.pixels = asGarment(image);
    this.posterior = {};
    this.cloud = [];
    setText(this.message, "");
    this.show();
    this.calls.changed();
  }

  /** @param {(posterior: {mean: number[], std: number[]}) => number[]} choose */
  go(choose) {
    const posterior = this.current();
    if (posterior) this.calls.goTo(choose(posterior));
  }

  sampleOne() {
    const posterior = this.current();
    if (!posterior) return;
    const z = sample(posterior);
    this.cloud = [...this.cloud, z].slice(-300);
    this.calls.goTo(z);
  }

  /** @param {number} count */
  sampleMany(count) {
    const posterior = this.current();
    if (!posterior) return;
    this.cloud = Array.from({ length: count }, () => sample(posterior));
    this.calls.changed();
  }

  /** Return the posterior of the picture under the model that is shown. */
  current() {
    const { latentDim, model } = this.scene ?? {};
    if (!this.pixels || !model?.encoder || latentDim === undefined) return undefined;
    this.posterior[latentDim] ??= encode(
      model.encoder,
      Float32Array.from(this.pixels, (byte) => byte / 255),
    );
    return this.posterior[latentDim];
  }

  /**
   * Take what the page shows now; samples of another model are none of this one.
   * @param {Omit<Scene, "own" | "cloud">} scene
   */
  follow(scene) {
    if (this.cloud.length && this.cloud[0].length !== scene.latentDim) this.cloud = [];
    const another =
      this.scene?.latentDim !== scene.latentDim ||
      this.scene?.model.encoder !== scene.model.encoder;
    this.scene = { ...scene, own: undefined, cloud: [] };
    if (another) this.show();
  }

  /** Draw the panel. */
  show() {
    const posterior = this.current();
    this.invitation.hidden = Boolean(this.pixels);
    for (const action of this.actions) action.disabled = !posterior;
    if (this.pixels)
      drawPixels(
        this.prepared,
        Float32Array.from(this.pixels, (byte) => byte / 255),
      );
    else drawPixels(this.prepared, new Float32Array(784));
    const decoder = this.scene?.model.decoder;
    drawPixels(
      this.decoded,
      posterior && decoder ? decode(decoder, posterior.mean) : new Float32Array(784),
    );
    const count = this.scene?.latentDim ?? 10;
    this.bars.replaceChildren(
      ...Array.from({ length: count }, (_, j) => {
        const bar = element("span", { class: "band band-own" });
        const text = posterior ? `${number(posterior.mean[j])} ± ${number(posterior.std[j])}` : "";
        if (posterior) {
          bar.style.left = `${(50 * (posterior.mean[j] - posterior.std[j] + RANGE)) / RANGE}%`;
          bar.style.width = `${(100 * posterior.std[j]) / RANGE}%`;
        } else bar.hidden = true;
        return element(
          "div",
          {},
          element("span", { class: "name" }, `z${j + 1}`),
          element("span", { class: "track" }, bar),
          element("span", { class: "text" }, text),
        );
      }),
    );
    this.bars.setAttribute(
      "aria-label",
      posterior
        ? "μ ± σ of your picture: " +
            posterior.mean
              .map((mu, j) => `z${j + 1} ${number(mu)} ± ${number(posterior.std[j])}`)
              .join(", ")
        : "μ ± σ of your picture: none yet",
    );
  }
}
