import { describe, expect, it } from "vitest";
import { narrowBrain, narrowHalf, widenBrain, widenHalf } from "./half.ts";

/** The bits whose value is nearest, by trying all; ties to even bits. */
function nearest(value: number, widen: (bits: number) => number, largest: number): number {
  const sign = Object.is(value, -0) || value < 0 ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  let [low, high] = [0, largest]; // Magnitudes ascend with their bits; `largest` is infinity.
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (widen(middle) <= magnitude) low = middle;
    else high = middle;
  }
  // Beyond the largest number, infinity counts as the next power of two.
  const above = high === largest ? 2 * widen(high - 1) - widen(high - 2) : widen(high);
  const [down, up] = [magnitude - widen(low), above - magnitude];
  return sign | (down < up || (down === up && low % 2 === 0) ? low : high);
}

const kinds = [
  { name: "float16", widen: widenHalf, narrow: narrowHalf, infinity: 0x7c00, step: 2 ** -10 },
  { name: "bfloat16", widen: widenBrain, narrow: narrowBrain, infinity: 0x7f80, step: 2 ** -7 },
] as const;

describe.each(kinds)("$name", ({ widen, narrow, infinity, step }) => {
  it("keeps every value: all 65,536 bit patterns go there and back", () => {
    for (let bits = 0; bits < 65_536; bits++) {
      const value = widen(bits);
      if ((bits & 0x7fff) > infinity) {
        expect(value).toBe(NaN);
        expect(narrow(value) & 0x7fff).toBeGreaterThan(infinity);
      } else if (narrow(value) !== bits) expect.fail(`${bits} became ${narrow(value)}`);
    }
    expect([widen(infinity), widen(infinity | 0x8000)]).toEqual([Infinity, -Infinity]);
  });

  it("rounds doubles to the nearest, ties to even, as trying all values does", () => {
    const tiny = 2 ** -45; // Below float32's precision: rounding through float32 would lose it, and then see a tie.
    for (let bits = 0; bits < infinity; bits += 37) {
      const middle = bits === infinity - 1 ? 65_520 : (widen(bits) + widen(bits + 1)) / 2;
      if (!Number.isFinite(middle)) continue;
      for (const value of [middle, middle * (1 - tiny), middle * (1 + tiny), widen(bits) * (1 + step / 3)]) {
        for (const signed of [value, -value]) {
          expect(narrow(signed), `bits of ${signed}`).toBe(nearest(signed, widen, infinity));
        }
      }
    }
  });

  it("keeps the sign of zero, and rounds what is too large to infinity, too small to zero", () => {
    expect([narrow(0), narrow(-0), narrow(1e-60), narrow(-1e-60)]).toEqual([0, 0x8000, 0, 0x8000]);
    expect([narrow(1e300), narrow(-1e300), narrow(Infinity)]).toEqual([infinity, infinity | 0x8000, infinity]);
  });
});

it("float16 overflows from 65,520 on", () => {
  expect([narrowHalf(65_519.999), narrowHalf(65_520), narrowHalf(65_504)]).toEqual([0x7bff, 0x7c00, 0x7bff]);
});
