/** Random numbers. */

/**
 * Return independent draws from N(0, 1), by the method of Box and Muller (1958).
 * @param {number} count
 * @param {() => number} uniform draws from [0, 1)
 * @returns {number[]}
 */
export function standardNormal(count, uniform = Math.random) {
  return Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    return radius * Math.cos(2 * Math.PI * uniform());
  });
}

/**
 * Return a draw z = μ + σ ⊙ ε.
 * @param {{mean: number[], std: number[]}} gaussian
 * @param {() => number} uniform
 * @returns {number[]}
 */
export function sample({ mean, std }, uniform = Math.random) {
  const eps = standardNormal(mean.length, uniform);
  return mean.map((mu, j) => mu + std[j] * eps[j]);
}
