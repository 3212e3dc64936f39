/**
 * A picture of any kind in, 28×28 grey pixels on black out: what `vae_lib.load_folder` does.
 *
 * Grey weighs red, green and blue as Pillow does. The picture shrinks as a whole, first by whole
 * factors, then by Lanczos's filter, and grey counts only where the picture is opaque.
 */

export const SIDE = 28;
const REDUCING_GAP = 3; // shrink by whole factors until three times the size that is wanted

/**
 * A plane of numbers, row by row.
 * @typedef {{width: number, height: number, values: Float64Array}} Plane
 */

/**
 * Return a picture as the models take it: 784 bytes, light on black, in the middle.
 * @param {{width: number, height: number, data: ArrayLike<number>}} image RGBA, 0 to 255
 * @returns {Uint8ClampedArray}
 */
export function asGarment(image) {
  const { grey, alpha } = shrink(image);
  if (!alpha.values.some((opacity) => opacity > 0)) throw new Error("The picture is transparent.");
  const invert = isOnLight(grey, alpha);
  const background = invert ? 255 : 0;
  const garment = new Uint8ClampedArray(SIDE * SIDE);
  const top = Math.floor((SIDE - grey.height) / 2);
  const left = Math.floor((SIDE - grey.width) / 2);
  for (let y = 0; y < grey.height; y++) {
    for (let x = 0; x < grey.width; x++) {
      const at = y * grey.width + x;
      const laid = background + alpha.values[at] * (grey.values[at] - background);
      garment[(top + y) * SIDE + left + x] = Math.floor((invert ? 255 - laid : laid) + 0.5);
    }
  }
  return garment;
}

/**
 * Return grey from 0 to 255 and opacity from 0 to 1, the longer side of 28 pixels.
 * @param {{width: number, height: number, data: ArrayLike<number>}} image
 */
function shrink({ width, height, data }) {
  const light = plane(width, height);
  const opacity = plane(width, height);
  for (let i = 0; i < width * height; i++) {
    const grey =
      (19595 * data[4 * i] + 38470 * data[4 * i + 1] + 7471 * data[4 * i + 2] + 0x8000) >> 16;
    opacity.values[i] = data[4 * i + 3] / 255;
    light.values[i] = grey * opacity.values[i];
  }
  const scale = SIDE / Math.max(width, height);
  const across = Math.max(1, Math.round(scale * width));
  const down = Math.max(1, Math.round(scale * height));
  const alpha = resized(opacity, across, down);
  const grey = resized(light, across, down);
  grey.values.forEach((value, i) => {
    const whole = alpha.values[i] > 0 ? value / alpha.values[i] : 0;
    grey.values[i] = Math.min(255, Math.max(0, whole));
    alpha.values[i] = Math.min(1, Math.max(0, alpha.values[i]));
  });
  return { grey, alpha };
}

/**
 * Tell whether the garment lies on a light background, or is itself dark on none.
 * @param {Plane} grey
 * @param {Plane} alpha
 */
function isOnLight(grey, alpha) {
  /** @type {number[]} */
  const border = [];
  for (let y = 0; y < grey.height; y++) {
    for (let x = 0; x < grey.width; x++) {
      const atEdge = x === 0 || y === 0 || x === grey.width - 1 || y === grey.height - 1;
      if (atEdge) border.push(y * grey.width + x);
    }
  }
  const opaque = border.filter((i) => alpha.values[i] > 0.5).map((i) => grey.values[i]);
  if (opaque.length >= border.length / 2) return median(opaque) > 127.5;
  let sum = 0;
  let weight = 0;
  grey.values.forEach((value, i) => {
    sum += value * alpha.values[i];
    weight += alpha.values[i];
  });
  return sum / weight < 127.5;
}

/** @param {number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * @param {number} width
 * @param {number} height
 * @returns {Plane}
 */
function plane(width, height) {
  return { width, height, values: new Float64Array(width * height) };
}

/**
 * Return a plane in another size.
 * @param {Plane} from
 * @param {number} width
 * @param {number} height
 * @returns {Plane}
 */
export function resized(from, width, height) {
  const factorX = Math.max(1, Math.floor(from.width / width / REDUCING_GAP));
  const factorY = Math.max(1, Math.floor(from.height / height / REDUCING_GAP));
  const coarse = factorX > 1 || factorY > 1 ? reduced(from, factorX, factorY) : from;
  // the last coarse pixel may stand for fewer fine ones than the others
  const across = transposed(lanczos(coarse, width, from.width / factorX));
  return transposed(lanczos(across, height, from.height / factorY));
}

/**
 * Return the means of blocks of pixels; blocks at the right and at the bottom may be smaller.
 * @param {Plane} from
 * @param {number} factorX
 * @param {number} factorY
 * @returns {Plane}
 */
function reduced(from, factorX, factorY) {
  const to = plane(Math.ceil(from.width / factorX), Math.ceil(from.height / factorY));
  const counts = new Float64Array(to.values.length);
  for (let y = 0; y < from.height; y++) {
    for (let x = 0; x < from.width; x++) {
      const at = Math.floor(y / factorY) * to.width + Math.floor(x / factorX);
      to.values[at] += from.values[y * from.width + x];
      counts[at]++;
    }
  }
  to.values.forEach((sum, i) => (to.values[i] = sum / counts[i]));
  return to;
}

/**
 * Return a plane of another width, by Lanczos's filter of three lobes.
 * @param {Plane} from
 * @param {number} width
 * @param {number} extent how much of the plane's width is to be covered
 * @returns {Plane}
 */
function lanczos(from, width, extent) {
  const to = plane(width, from.height);
  const step = extent / width;
  const stretch = Math.max(1, step);
  const support = 3 * stretch;
  for (let x = 0; x < width; x++) {
    const centre = (x + 0.5) * step;
    const first = Math.max(0, Math.floor(centre - support + 0.5));
    const end = Math.min(from.width, Math.floor(centre + support + 0.5));
    const weights = Array.from({ length: end - first }, (_, i) =>
      kernel((first + i - centre + 0.5) / stretch),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let y = 0; y < from.height; y++) {
      let sum = 0;
      weights.forEach((weight, i) => (sum += weight * from.values[y * from.width + first + i]));
      to.values[y * width + x] = sum / total;
    }
  }
  return to;
}

/** @param {number} x */
function kernel(x) {
  if (x <= -3 || x >= 3) return 0;
  return sinc(x) * sinc(x / 3);
}

/** @param {number} x */
function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/**
 * @param {Plane} from
 * @returns {Plane}
 */
function transposed(from) {
  const to = plane(from.height, from.width);
  for (let y = 0; y < from.height; y++) {
    for (let x = 0; x < from.width; x++) {
      to.values[x * from.height + y] = from.values[y * from.width + x];
    }
  }
  return to;
}
