import type { Tensor } from "@heed/tensor";

/** What is wrong with a result; `undefined` where it is close. Infinities must agree exactly, and so must rows of zeros. */
export function difference(got: Tensor | undefined, want: Tensor, tolerance: number): string | undefined {
  if (got === undefined) return "is missing";
  if (`${got.shape}` !== `${want.shape}`) return `has the shape [${got.shape.join(", ")}], not [${want.shape.join(", ")}]`;
  const [actual, expected] = [got.toTypedArray(), want.toTypedArray()];
  const width = want.shape.at(-1) ?? 1;
  let [worst, at] = [0, -1];
  for (let row = 0; row < expected.length; row += width) {
    const zeros = width > 1 && expected.subarray(row, row + width).every((value) => value === 0);
    for (let i = row; i < row + width; i++) {
      const off = excess(actual[i]!, expected[i]!, zeros ? 0 : tolerance);
      if (off > worst) [worst, at] = [off, i];
    }
  }
  return at < 0 ? undefined : `element ${at} is ${actual[at]}, not ${expected[at]} (${worst.toPrecision(3)} times the tolerance)`;
}

/** Above 1: so many times as far away as allowed. Below, 0. */
function excess(got: number, want: number, tolerance: number): number {
  if (got === want || (Number.isNaN(got) && Number.isNaN(want))) return 0;
  const off = Math.abs(got - want);
  if (!Number.isFinite(off)) return Infinity;
  const allowed = tolerance * (1 + Math.abs(want));
  return off <= allowed ? 0 : allowed === 0 ? Infinity : off / allowed;
}
