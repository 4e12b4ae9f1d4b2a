import { expectNear, implementationsOf, inWorkspace, noise, unitRoundoff } from "@heed/kernels/testing";
import { describe, expect, it } from "vitest";
import { lstmCell, type LstmCellKernels } from "./lstm-cell.ts";

const exact = lstmCell.implementation("reference", "float64");

/** Rows of the gates and of h lie `gap` elements further apart than they must; what lies between stays as it was. */
function run(kernels: LstmCellKernels, dtype: "float32" | "float64", B: number, H: number, { scale = 1, gap = 0 } = {}) {
  return inWorkspace(dtype, (w) => {
    const spread = (values: number[], width: number) =>
      [...Array(B).keys()].flatMap((b) => [...values.slice(b * width, (b + 1) * width), ...Array<number>(gap).fill(9)]);
    const gather = (pointer: number, width: number) => {
      const all = w.readReals(pointer, B * (width + gap));
      expect([...Array(B).keys()].flatMap((b) => all.slice(b * (width + gap) + width, (b + 1) * (width + gap)))).toEqual(
        Array<number>(B * gap).fill(9),
      );
      return [...Array(B).keys()].flatMap((b) => all.slice(b * (width + gap), b * (width + gap) + width));
    };
    const empty = (width: number, misaligned: number) => w.reals(spread(Array<number>(B * width).fill(NaN), width), misaligned);

    const pre = w.reals(
      spread(
        noise(4 * B * H, 1).map((x) => Math.fround(x * 4 * scale)),
        4 * H,
      ),
      1,
    );
    const cPrev = w.reals(noise(B * H, 2), 2);
    const [gates, c, h] = [empty(4 * H, 3), w.reals(B * H, 1), empty(H, 2)];
    kernels.lstmCell(pre, gates, 4 * H + gap, cPrev, c, h, H + gap, B, H);
    const [dy, dh, dc] = [w.reals(spread(noise(B * H, 3), H), 3), w.reals(noise(B * H, 5), 2), w.reals(noise(B * H, 4), 1)];
    const [dpre, dcPrev] = [empty(4 * H, 2), w.reals(B * H, 3)];
    kernels.lstmCellGrad(dy, H + gap, dh, dc, gates, dpre, 4 * H + gap, cPrev, c, dcPrev, B, H);
    return {
      gates: gather(gates, 4 * H),
      c: w.readReals(c, B * H),
      h: gather(h, H),
      dpre: gather(dpre, 4 * H),
      dcPrev: w.readReals(dcPrev, B * H),
    };
  });
}

describe("lstm-cell, reference, float64", () => {
  it("does by hand what it says", () => {
    inWorkspace("float64", (w) => {
      const log3 = 1.0986122886681098; // σ(ln 3) = 3/4, σ(−ln 3) = 1/4, tanh(ln 3) = 4/5
      const [gates, c, h] = [w.reals(4), w.reals(1), w.reals(1)];
      exact.lstmCell(w.reals([log3, -log3, log3, 0]), gates, 4, w.reals([2]), c, h, 1, 1, 1);
      expectNear(w.readReals(gates, 4), [0.75, 0.25, 0.8, 0.5], 1e-15);
      expectNear(w.readReals(c, 1), [1.1], 1e-15); // 1/4 · 2 + 3/4 · 4/5
      expectNear(w.readReals(h, 1), [0.5 * Math.tanh(1.1)], 1e-15);
    });
  });

  it("has the gradient of its central differences", () => {
    const [B, H] = [2, 3];
    const [pre, cPrev, dy, dh, dc] = [noise(4 * B * H, 1), noise(B * H, 2), noise(B * H, 3), noise(B * H, 5), noise(B * H, 4)];
    const loss = (p: number[], before: number[]) =>
      inWorkspace("float64", (w) => {
        const [c, h] = [w.reals(B * H), w.reals(B * H)];
        exact.lstmCell(w.reals(p), w.reals(4 * B * H), 4 * H, w.reals(before), c, h, H, B, H);
        const dot = (values: number[], weights: number[]) => values.reduce((sum, value, i) => sum + value * weights[i], 0);
        return dot(w.readReals(h, B * H), dy) + dot(w.readReals(h, B * H), dh) + dot(w.readReals(c, B * H), dc);
      });
    const differences = (values: number[], at: (changed: number[]) => number) =>
      values.map((_, i) => {
        const moved = (step: number) => at(values.map((value, j) => (i === j ? value + step : value)));
        return (moved(1e-5) - moved(-1e-5)) / 2e-5;
      });
    inWorkspace("float64", (w) => {
      const [before, gates, c, dpre, dcPrev] = [w.reals(cPrev), w.reals(24), w.reals(6), w.reals(24), w.reals(6)];
      exact.lstmCell(w.reals(pre), gates, 4 * H, before, c, w.reals(6), H, B, H);
      exact.lstmCellGrad(w.reals(dy), H, w.reals(dh), w.reals(dc), gates, dpre, 4 * H, before, c, dcPrev, B, H);
      // Third derivatives below 4 give h² · 4 / 6, rounding ε / h.
      expectNear(
        w.readReals(dpre, 24),
        differences(pre, (changed) => loss(changed, cPrev)),
        1e-10,
      );
      expectNear(
        w.readReals(dcPrev, 6),
        differences(cPrev, (changed) => loss(pre, changed)),
        1e-10,
      );
    });
  });
});

describe.each(implementationsOf(lstmCell).slice(1))("lstm-cell, $name", ({ kernels, dtype }) => {
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
    // σ and tanh are good to 3 ulp (6 u); c and h add three roundings of numbers below 2; gradients are products of at
    // most five such factors, the largest being dc + (dy + dh) · o · (1 − tanh²) < 3 times |cPrev| or |g| ≤ 1.
    expectNear(actual.gates, expected.gates, 6 * u, "gates");
    expectNear(actual.c, expected.c, 2 * (6 + 3) * u, "c");
    expectNear(actual.h, expected.h, (18 + 6 + 6 + 1) * u, "h");
    expectNear(actual.dcPrev, expected.dcPrev, 3 * 40 * u, "dcPrev");
    expectNear(actual.dpre, expected.dpre, 3 * 60 * u, "dpre");
  });

  it("saturates without NaN", () => {
    const { gates, h, dpre } = run(kernels, dtype, 2, 5, { scale: 1e30 });
    expect(gates.every((gate) => gate === 0 || Math.abs(gate) === 1)).toBe(true);
    expect([...h, ...dpre].every(Number.isFinite)).toBe(true);
  });

  it("works on slices of a sequence, and in place", () => {
    const [B, H] = [3, 7];
    const apart = run(kernels, dtype, B, H);
    expect(run(kernels, dtype, B, H, { gap: 5 })).toEqual(apart);
    inWorkspace(dtype, (w) => {
      const pre = w.reals(
        noise(4 * B * H, 1).map((x) => Math.fround(x * 4)),
        1,
      );
      const cell = w.reals(noise(B * H, 2), 2);
      const h = w.reals(B * H);
      kernels.lstmCell(pre, pre, 4 * H, cell, cell, h, H, B, H);
      expect(w.readReals(pre, 4 * B * H)).toEqual(apart.gates);
      expect(w.readReals(cell, B * H)).toEqual(apart.c);
      const dc = w.reals(noise(B * H, 4));
      const [dy, dh] = [w.reals(noise(B * H, 3)), w.reals(noise(B * H, 5))];
      kernels.lstmCellGrad(dy, H, dh, dc, pre, pre, 4 * H, w.reals(noise(B * H, 2)), cell, dc, B, H);
      expect(w.readReals(pre, 4 * B * H)).toEqual(apart.dpre);
      expect(w.readReals(dc, B * H)).toEqual(apart.dcPrev);
    });
  });
});
