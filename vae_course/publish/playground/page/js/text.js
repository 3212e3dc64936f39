/** Numbers as text. */

/**
 * Return a number with a true minus sign; zero has none.
 * @param {number} value
 * @param {number} digits after the point
 */
export function number(value, digits = 2) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/**
 * Return a probability in per cent; a small one is never 0.
 * @param {number} probability
 */
export function percent(probability) {
  return probability < 0.0005 ? "< 0.1 %" : `${(100 * probability).toFixed(1)} %`;
}

/**
 * Return a score with as many digits as a caption has room for.
 * @param {number} score
 * @param {boolean} isDistance
 */
export function scoreText(score, isDistance) {
  const size = Math.abs(score);
  if (isDistance) return number(score, size < 10 ? 2 : size < 1000 ? 1 : 0);
  return number(score, size < 1000 ? 1 : 0);
}

/**
 * Return z with the four decimals that the page keeps.
 * @param {ArrayLike<number>} z
 * @returns {number[]}
 */
export function rounded(z) {
  return Array.from(z, (value) => Math.round(value * 1e4) / 1e4 || 0);
}
