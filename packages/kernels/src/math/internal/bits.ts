// The same bytes as a double and as integers. `DataView` names the byte order, so the result is the same on every machine.
const cell = /* @__PURE__ */ new DataView(/* @__PURE__ */ new ArrayBuffer(8));

/** The upper half of a double: sign, exponent, twenty bits of fraction. */
export function highWord(x: number): number {
  cell.setFloat64(0, x);
  return cell.getInt32(0);
}

/** `x` with another upper half. */
export function withHighWord(x: number, word: number): number {
  cell.setFloat64(0, x);
  cell.setInt32(0, word);
  return cell.getFloat64(0);
}

/** `x` without the lower half of its fraction: 21 bits are left, so its square is exact. */
export function withoutLowWord(x: number): number {
  cell.setFloat64(0, x);
  cell.setInt32(4, 0);
  return cell.getFloat64(0);
}

/** `2^k` for a normal result, −1022 ≤ k ≤ 1023. */
export function powerOfTwo(k: number): number {
  cell.setInt32(0, (k + 1023) << 20);
  cell.setInt32(4, 0);
  return cell.getFloat64(0);
}

/** `x · 2^k`, rounded once, for 0.5 < |x| < 2 and −1100 ≤ k ≤ 1024. */
export function scale(x: number, k: number): number {
  if (k > 1023) return x * 2 * powerOfTwo(k - 1);
  if (k > -1022) return x * powerOfTwo(k);
  return x * powerOfTwo(k + 200) * powerOfTwo(-200); // the first product is exact, so a subnormal is rounded once
}

/** `[m, k]` with x = m · 2^k and √½ ≤ m < √2, for a positive finite x. */
export function splitExponent(x: number): [mantissa: number, exponent: number] {
  let k = 0;
  if (x < 2 ** -1022) {
    x *= 2 ** 54;
    k = -54;
  }
  const word = highWord(x);
  k += (word >> 20) - 1023;
  let m = withHighWord(x, (word & 0xfffff) | 0x3ff00000);
  if (m >= Math.SQRT2) {
    m *= 0.5;
    k += 1;
  }
  return [m, k];
}
