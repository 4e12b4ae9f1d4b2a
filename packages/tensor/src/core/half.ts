// Four bytes, read as a float32 and as its bits. Annotated so that bundlers drop it with the functions below.
const word = /* @__PURE__ */ new DataView(/* @__PURE__ */ new ArrayBuffer(4));

/** The value of float16 bits. */
export function widenHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  word.setUint32(0, ((bits & 0x8000) << 16) | ((exponent + 112) << 23) | (fraction << 13));
  return word.getFloat32(0);
}

/**
 * The float32 bits of a value rounded to odd: toward zero, with the last bit set where anything was lost. Rounding those
 * once more, to fewer bits, then gives what rounding the value itself would: rounding twice to nearest does not.
 */
function oddBits(value: number): number {
  word.setFloat32(0, value);
  const bits = word.getUint32(0);
  const rounded = word.getFloat32(0);
  if (rounded === value || value !== value) return bits;
  return (Math.abs(rounded) > Math.abs(value) ? bits - 1 : bits) | 1;
}

/** The float16 bits nearest to a value, ties to even; from 65,520 on infinity. */
export function narrowHalf(value: number): number {
  const bits = oddBits(value);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // Rounds to 65,536 or more.
  if (magnitude < 0x38800000) {
    // Subnormal in float16: count in units of 2^-24, rounded by hand.
    const units = Math.abs(value) * 2 ** 24;
    const whole = Math.floor(units);
    const rest = units - whole;
    return sign | (rest > 0.5 || (rest === 0.5 && (whole & 1) === 1) ? whole + 1 : whole);
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** The value of bfloat16 bits. */
export function widenBrain(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

/** The bfloat16 bits nearest to a value, ties to even. */
export function narrowBrain(value: number): number {
  const bits = oddBits(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
