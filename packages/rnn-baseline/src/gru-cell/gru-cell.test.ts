import { expectNear, implementationsOf, inWorkspace, noise, unitRoundoff } from "@heed/kernels/testing";
import { describe, expect, it } from "vitest";
import { gruCell, type GruCellKernels } from "./gru-cell.ts";

const exact = gruCell.implementation("reference", "float64");

/** Rows lie `gap` elements further apart than they must, where the kernel takes a stride. What lies between stays as it was. */
function run(kernels: GruCellKernels, dtype: "float32" | "float64", B: number, H: number, { scale = 1, gap = 0 } = {}) {
  return inWorkspace(dtype, (w) => {
    const rows = [...Array(B).keys()];
    const spread = (values: number[], width: number) =>
      rows.flatMap((b) => [...values.slice(b * width, (b + 1) * width), ...Array<number>(gap).fill(9)]);
    const gather = (pointer: number, width: number) => {
      const all = w.readReals(pointer, B * (width + gap));
      expect(rows.flatMap((b) => all.slice(b * (width + gap) + width, (b + 1) * (width + gap)))).toEqual(Array<number>(B * gap).fill(9));
      return rows.flatMap((b) => all.slice(b * (width + gap), b * (width + gap) + width));
    };
    const sums = noise(4 * B * H, 1).map((x) => Math.fround(x * 4 * scale));
    const gates = w.reals(spread(sums, 4 * H), 1);
    const hPrev = w.reals(spread(noise(B * H, 2), H), 2);
    const h = w.reals(spread(Array<number>(B * H).fill(NaN), H), 3);
    kernels.gruCell(gates, 4 * H + gap, hPrev, H + gap, h, H + gap, B, H);
    const [dy, dh] = [w.reals(spread(noise(B * H, 3), H), 3), w.reals(noise(B * H, 5), 2)];
    const dgates = w.reals(spread(Array<number>(4 * B * H).fill(NaN), 4 * H), 2);
    kernels.gruCellGrad(dy, H + gap, dh, gates, dgates, 4 * H + gap, hPrev, H + gap, B, H);
    return { gates: gather(gates, 4 * H), h: gather(h, H), dgates: gather(dgates, 4 * H), dh: w.readReals(dh, B * H) };
  });
}

describe("gru-cell, reference, float64", () => {
  it("does by hand what it says", () => {
    inWorkspace("float64", (w) => {
      const log3 = 1.0986122886681098; // σ(ln 3) = 3/4, σ(−ln 3) = 1/4, tanh(ln 3) = 4/5
      const [gates, h] = [w.reals([-log3, log3, log3 / 2, 2 * log3]), w.reals(1)];
      exact.gruCell(gates, 4, w.reals([2]), 1, h, 1, 1, 1);
      expectNear(w.readReals(gates, 4), [0.25, 0.75, 0.8, 2 * log3], 1e-15);
      expectNear(w.readReals(h, 1), [1.7], 1e-15); // 1/4 · 4/5 + 3/4 · 2
    });
  });

  it("has the gradient of its central differences", () => {
    const [B, H] = [2, 3];
    const [sums, before, dy, dh] = [noise(4 * B * H, 1), noise(B * H, 2), noise(B * H, 3), noise(B * H, 5)];
    const loss = (p: number[], hPrev: number[]) =>
      inWorkspace("float64", (w) => {
        const h = w.reals(B * H);
        exact.gruCell(w.reals(p), 4 * H, w.reals(hPrev), H, h, H, B, H);
        return w.readReals(h, B * H).reduce((sum, value, i) => sum + value * (dy[i] + dh[i]), 0);
      });
    const differences = (values: number[], at: (changed: number[]) => number) =>
      values.map((_, i) => {
        const moved = (step: number) => at(values.map((value, j) => (i === j ? value + step : value)));
        return (moved(1e-5) - moved(-1e-5)) / 2e-5;
      });
    inWorkspace("float64", (w) => {
      const [gates, hPrev, past, dgates] = [w.reals(sums), w.reals(before), w.reals(dh), w.reals(4 * B * H)];
      exact.gruCell(gates, 4 * H, hPrev, H, w.reals(B * H), H, B, H);
      exact.gruCellGrad(w.reals(dy), H, past, gates, dgates, 4 * H, hPrev, H, B, H);
      // Third derivatives below 8 give h² · 8 / 6, rounding ε / h.
      expectNear(
        w.readReals(dgates, 4 * B * H),
        differences(sums, (changed) => loss(changed, before)),
        2e-10,
      );
      expectNear(
        w.readReals(past, B * H),
        differences(before, (changed) => loss(sums, changed)),
        2e-10,
      );
    });
  });
});

describe.each(implementationsOf(gruCell).slice(1))("gru-cell, $name", ({ kernels, dtype }) => {
  const u = unitRoundoff(dtype);

  it.each([
    [0, 4],
    [1, 1],
    [1, 3],
    [2, 4],
    [3, 5],
    [2, 7],
    [1, 8],
    [3, 9],
    [2, 0],
  ])("agrees with float64 for B = %i, H = %i", (B, H) => {
    const [actual, expected] = [run(kernels, dtype, B, H), run(exact, "float64", B, H)];
    // σ and tanh are good to 3 ulp (6 u). The argument of tanh, below 8, carries 8 · (6 + 2) u; it shrinks by tanh′ only
    // where it is large, so n is good to 70 u; h is a mean of numbers below 1. Gradients are products of at most five such factors
    // and of hn < 4 and dy + dh < 2.
    expectNear(actual.gates, expected.gates, 70 * u, "gates");
    expectNear(actual.h, expected.h, 2 * 70 * u, "h");
    expectNear(actual.dh, expected.dh, 2 * 8 * u, "dh");
    expectNear(actual.dgates, expected.dgates, 8 * 180 * u, "dgates");
  });

  it("saturates without NaN", () => {
    const { gates, h, dgates, dh } = run(kernels, dtype, 2, 5, { scale: 1e18 });
    expect([...gates, ...h, ...dgates, ...dh].every(Number.isFinite)).toBe(true);
  });

  it("works on slices of a sequence, on one repeated row, and in place", () => {
    const [B, H] = [3, 7];
    const apart = run(kernels, dtype, B, H);
    expect(run(kernels, dtype, B, H, { gap: 5 })).toEqual(apart);
    inWorkspace(dtype, (w) => {
      const row = noise(H, 2);
      const sums = noise(4 * B * H, 1).map((x) => Math.fround(x));
      const step = (hPrev: number, stride: number) => {
        const [gates, h] = [w.reals(sums), w.reals(B * H)];
        kernels.gruCell(gates, 4 * H, hPrev, stride, h, H, B, H);
        const [dh, dgates] = [w.reals(noise(B * H, 5)), stride === 0 ? gates : w.reals(4 * B * H)];
        kernels.gruCellGrad(w.reals(noise(H, 3)), 0, dh, gates, dgates, 4 * H, hPrev, stride, B, H);
        return [h, dh, dgates].map((at, i) => w.readReals(at, (i < 2 ? 1 : 4) * B * H));
      };
      expect(step(w.reals(row), 0)).toEqual(step(w.reals([...row, ...row, ...row]), H));
    });
  });
});
