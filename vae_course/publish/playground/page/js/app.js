/** Starts the page: shows how much of the data has arrived, then the playground. */

import { byId, setText } from "./dom.js";
import { Files } from "./files.js";
import { sayFailure } from "./picture.js";
import { Playground } from "./playground.js";

/** Shows how much has arrived. */
class Progress {
  constructor() {
    this.root = byId("loading", HTMLDivElement);
    this.bar = byId("loading-bar", HTMLDivElement);
    this.bytes = 0;
    this.expected = 4e6;
  }

  /** @param {number} bytes */
  add(bytes) {
    this.bytes += bytes;
    const share = Math.min(1, this.bytes / this.expected);
    this.bar.style.transform = `scaleX(${share})`;
    this.root.setAttribute("aria-valuenow", String(Math.round(100 * share)));
  }

  end() {
    this.root.hidden = true;
  }
}

/**
 * Return how many bytes the page loads before it is complete.
 * @param {import("./files.js").Manifest} manifest
 * @param {number} latentDim
 */
function bytesToLoad({ sheets, models }, latentDim) {
  const parts = Object.values(models[latentDim].parts);
  return [...sheets, ...parts].reduce((sum, { size }) => sum + size, 0);
}

async function start() {
  const progress = new Progress();
  const files = new Files("data/", (bytes) => progress.add(bytes));
  const manifest = await files.manifest();
  setText(byId("count", HTMLSpanElement), manifest.garments.toLocaleString("en"));
  setText(
    byId("data-set", HTMLSpanElement),
    manifest.name === "drawn"
      ? "Garments drawn by the course."
      : "Garments of Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017).",
  );
  const playground = new Playground(manifest, files);
  progress.expected = bytesToLoad(manifest, playground.latentDim);
  await playground.loader.loaded(playground.latentDim);
  progress.end();
  document.documentElement.dataset.loaded = "true";
  navigator.serviceWorker?.register("service-worker.js").catch(() => {}); // offline is an extra
}

start().catch(sayFailure);
