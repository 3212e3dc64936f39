/** Numbers of 16 bits, as the files hold them. */

/**
 * Return the number that 16 bits stand for (IEEE 754, binary16).
 * @param {number} bits
 * @returns {number}
 */
export function fromBits(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** @type {Float32Array | undefined} */
let table;

/**
 * Read float16 numbers of which all low bytes come first, then all high bytes.
 * @param {Uint8Array} bytes
 * @returns {Float32Array}
 */
export function readFloat16(bytes) {
  table ??= Float32Array.from({ length: 65536 }, (_, bits) => fromBits(bits));
  const count = bytes.length / 2;
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = table[bytes[i] | (bytes[count + i] << 8)];
  return numbers;
}
