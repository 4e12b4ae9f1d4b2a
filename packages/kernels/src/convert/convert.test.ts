import { describe, expect, it } from "vitest";
import { implementationsOf, inWorkspace, noise } from "../testing/workspace.ts";
import { widen, type WidenKernels } from "../widen/widen.ts";
import { convert, type ConvertKernels } from "./convert.ts";

/** What one family widens the other narrows, so they are tested together. */
type Both = ConvertKernels & WidenKernels;
const both = implementationsOf(convert)
  .filter(({ dtype }) => dtype === "float32")
  .map(({ name, which, kernels }) => ({ name, kernels: { ...kernels, ...widen.implementation(which) } as Both }));

/** Runs one conversion over raw bytes. */
function run(
  kernels: Both,
  name: keyof Both,
  input: ArrayBufferView,
  n: number,
  outBytes: number,
  misaligned = 0,
): Uint8Array<ArrayBuffer> {
  return inWorkspace("float32", (w) => {
    const x = w.bytes(new Uint8Array(input.buffer, input.byteOffset, input.byteLength), misaligned);
    const out = w.bytes(outBytes, misaligned);
    kernels[name](x, out, n);
    return Uint8Array.from(w.readBytes(out, outBytes));
  });
}

/** The value of a float16, from its definition. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 0x3ff) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}

const halves = Uint16Array.from({ length: 65536 }, (_, bits) => bits);

// Values of each format, the midpoints between neighbours (ties), and the next float32 to either side of those.
function around(positiveBits: number, value: (bits: number) => number): number[] {
  const numbers: number[] = [];
  for (let bits = 0; bits <= positiveBits; bits++) {
    const [here, next] = [value(bits), value(bits + 1)];
    const middle = Number.isFinite(next) ? (here + next) / 2 : NaN;
    const [bitsOfMiddle] = new Int32Array(Float32Array.of(middle).buffer);
    const neighbours = new Float32Array(Int32Array.of(bitsOfMiddle - 1, bitsOfMiddle, bitsOfMiddle + 1).buffer);
    numbers.push(here, ...neighbours);
  }
  return numbers.flatMap((x) => [x, -x]);
}

/** Rounds to the nearest value of a format with `bits` fraction bits and least exponent `low`, ties to even. */
function rounded(x: number, bits: number, low: number, largest: number): number {
  if (!Number.isFinite(x) || x === 0) return x;
  let exponent = low;
  while (2 ** (exponent + 1) <= Math.abs(x)) exponent++;
  const unit = 2 ** (exponent - bits);
  const count = Math.abs(x) / unit; // exact: a power of two
  const down = Math.floor(count);
  const up = count - down > 0.5 || (count - down === 0.5 && down % 2 === 1);
  const result = (down + (up ? 1 : 0)) * unit;
  return Math.sign(x) * (result > largest ? Infinity : result);
}

const largestBrain = (2 - 2 ** -7) * 2 ** 127;
const hard = [
  NaN,
  Infinity,
  -Infinity,
  0,
  -0,
  65504,
  65519.996,
  65520,
  65536,
  1e10,
  3.4e38,
  1e-45,
  -1e-45,
  2 ** -24,
  2 ** -25,
  1.0000001 * 2 ** -25,
  2 ** -14,
  largestBrain,
  (2 - 2 ** -8) * 2 ** 127,
].map(Math.fround);

describe.each(both)("convert, $name", ({ kernels }) => {
  it("widens every float16", () => {
    const out = new Float32Array(run(kernels, "halfToFloat", halves, 65536, 4 * 65536).buffer);
    expect([...out]).toEqual([...halves].map(halfValue));
  });

  it("gives every float16 back, a NaN as a NaN of the same sign", () => {
    const wide = run(kernels, "halfToFloat", halves, 65536, 4 * 65536);
    const narrow = new Uint16Array(run(kernels, "floatToHalf", wide, 65536, 2 * 65536).buffer);
    expect([...narrow]).toEqual([...halves].map((bits) => (Number.isNaN(halfValue(bits)) ? (bits & 0x8000) | 0x7e00 : bits)));
  });

  it("narrows to the nearest float16, ties to even, subnormals and overflow included", () => {
    const x = Float32Array.from([...hard, ...around(0x7bff, halfValue)]);
    const narrow = new Uint16Array(run(kernels, "floatToHalf", x, x.length, 2 * x.length).buffer);
    expect([...narrow].map(halfValue)).toEqual([...x].map((value) => rounded(value, 10, -14, 65504)));
  });

  it("widens every bfloat16, and gives it back", () => {
    const wide = run(kernels, "brainToFloat", halves, 65536, 4 * 65536);
    expect([...new Uint32Array(wide.buffer)]).toEqual([...halves].map((bits) => bits * 65536));
    const narrow = new Uint16Array(run(kernels, "floatToBrain", wide, 65536, 2 * 65536).buffer);
    expect([...narrow]).toEqual([...halves].map((bits) => ((bits & 0x7fff) > 0x7f80 ? bits | 0x40 : bits)));
  });

  it("narrows to the nearest bfloat16, ties to even", () => {
    const brain = (bits: number) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0];
    const x = Float32Array.from([...hard, ...around(0x7f7f, brain)]);
    const narrow = new Uint16Array(run(kernels, "floatToBrain", x, x.length, 2 * x.length).buffer);
    expect([...narrow].map(brain)).toEqual([...x].map((value) => rounded(value, 7, -126, largestBrain)));
  });

  const reals = [
    ...noise(40, 5).map((x) => x * 1000),
    0.5,
    -0.5,
    1.9999999,
    -1.9999999,
    2 ** 31,
    -(2 ** 31),
    2 ** 31 - 128,
    1e20,
    -1e20,
    NaN,
    Infinity,
    -Infinity,
  ];
  const ints = Int32Array.of(0, 1, -1, 2 ** 24 + 1, 2 ** 24 + 3, -(2 ** 24) - 1, 2 ** 31 - 1, -(2 ** 31), 255, 256, 257, -2);
  const truncated = (x: number) => (Number.isNaN(x) ? 0 : Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(x))) + 0);
  // JavaScript's own typed arrays round to nearest, ties to even, and wrap modulo 256.
  const cases: [keyof ConvertKernels, ArrayBufferView, (n: number) => ArrayBufferView][] = [
    ["intToFloat", ints, (n) => Float32Array.from(ints.subarray(0, n))],
    ["intToDouble", ints, (n) => Float64Array.from(ints.subarray(0, n))],
    ["intToByte", ints, (n) => Uint8Array.from(ints.subarray(0, n))],
    ["floatToInt", Float32Array.from(reals), (n) => Int32Array.from([...Float32Array.from(reals.slice(0, n))].map(truncated))],
    ["doubleToInt", Float64Array.from(reals), (n) => Int32Array.from(reals.slice(0, n).map(truncated))],
    ["floatToDouble", Float32Array.from(reals), (n) => Float64Array.from(Float32Array.from(reals.slice(0, n)))],
    ["doubleToFloat", Float64Array.from(reals), (n) => Float32Array.from(reals.slice(0, n))],
    ["byteToFloat", Uint8Array.of(0, 1, 2, 127, 128, 254, 255), (n) => Float32Array.of(0, 1, 2, 127, 128, 254, 255).subarray(0, n)],
    ["byteToInt", Uint8Array.of(0, 1, 2, 127, 128, 254, 255), (n) => Int32Array.of(0, 1, 2, 127, 128, 254, 255).subarray(0, n)],
  ];
  it.each(cases)("%s agrees with JavaScript's conversion", (name, x, expected) => {
    const length = (x as Uint8Array).length;
    for (const n of [0, 1, 3, 4, 5, 7, length]) {
      const want = expected(n);
      const got = run(kernels, name, x, n, want.byteLength, 8);
      expect([...got]).toEqual([...new Uint8Array(want.buffer, want.byteOffset, want.byteLength)]);
    }
  });

  it.each(["halfToFloat", "floatToHalf", "brainToFloat", "floatToBrain"] as const)("%s converts any count from any place", (name) => {
    const from = name.endsWith("ToFloat") ? 2 : 4;
    const x = new Uint8Array(from === 2 ? halves.slice(15_000, 15_011).buffer : Float32Array.from(noise(11, 6)).buffer);
    const whole = run(kernels, name, x, 11, 11 * (6 - from));
    for (const n of [0, 1, 2, 3, 4, 5, 7, 8, 9]) {
      expect(run(kernels, name, x, n, n * (6 - from), 4)).toEqual(whole.subarray(0, n * (6 - from)));
    }
  });
});
