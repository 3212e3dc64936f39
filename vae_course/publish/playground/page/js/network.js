/** The VAE's two multilayer perceptrons: linear layers with SiLU between them. */

/**
 * One linear layer: y = W x + b, with W stored row by row.
 * @typedef {{weight: Float32Array, bias: Float32Array}} Layer
 */

/**
 * Return the outputs of a perceptron.
 * @param {Layer[]} layers
 * @param {ArrayLike<number>} x
 * @returns {ArrayLike<number>}
 */
export function forward(layers, x) {
  layers.forEach((layer, number) => {
    x = linear(layer, x);
    if (number < layers.length - 1) silu(/** @type {Float32Array} */ (x));
  });
  return x;
}

/**
 * @param {Layer} layer
 * @param {ArrayLike<number>} x
 * @returns {Float32Array}
 */
function linear({ weight, bias }, x) {
  const inputs = x.length;
  const y = new Float32Array(bias.length);
  for (let row = 0, at = 0; row < y.length; row++) {
    let sum = bias[row];
    for (let column = 0; column < inputs; column++) sum += weight[at++] * x[column];
    y[row] = sum;
  }
  return y;
}

/** @param {Float32Array} x */
function silu(x) {
  for (let i = 0; i < x.length; i++) x[i] /= 1 + Math.exp(-x[i]);
}

/**
 * Return the picture of z: 784 probabilities in [0, 1], row by row.
 * @param {Layer[]} decoder
 * @param {ArrayLike<number>} z
 * @returns {Float32Array}
 */
export function decode(decoder, z) {
  return Float32Array.from(forward(decoder, z), (logit) => 1 / (1 + Math.exp(-logit)));
}

/**
 * Return the posterior q(z|x) of a picture: its mean μ and standard deviation σ.
 * @param {Layer[]} encoder
 * @param {ArrayLike<number>} pixels 784 numbers in [0, 1]
 * @returns {{mean: number[], std: number[]}}
 */
export function encode(encoder, pixels) {
  const outputs = Array.from(forward(encoder, pixels));
  const d = outputs.length / 2;
  return {
    mean: outputs.slice(0, d),
    std: outputs.slice(d).map((logVariance) => Math.exp(0.5 * logVariance)),
  };
}

/**
 * Return μ of the decoded picture of z: decode z, and encode the picture.
 * @param {Layer[]} decoder
 * @param {Layer[]} encoder
 * @param {ArrayLike<number>} z
 * @returns {number[]}
 */
export function roundTrip(decoder, encoder, z) {
  return encode(encoder, decode(decoder, z)).mean;
}
