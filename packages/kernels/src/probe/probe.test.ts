import { describe, expect, it } from "vitest";
import { features } from "../features.ts";
import { expectNear, implementationsOf, inWorkspace, noise, unitRoundoff } from "../testing/workspace.ts";
import { CHAINS, TILE_COLUMNS, TILE_ROWS } from "./sizes.ts";
import { measurePeak } from "./peak.ts";
import { probe } from "./probe.ts";

describe.each(implementationsOf(probe))("probe, $name", ({ name, dtype, kernels }) => {
  it.each([1, 2, 3, 1000])("runs every chain for %i turns", (turns) => {
    const [factor, term] = [Math.fround(0.75), Math.fround(0.125)];
    let x = 0;
    for (let turn = 0; turn < turns; turn++) x = x * factor + term;
    // Each turn rounds twice and shrinks what was wrong before to three quarters; then the sum of the chains rounds.
    const u = unitRoundoff(name.startsWith("reference") ? "float64" : "float32");
    expectNear([kernels.chains(turns, factor, term)], [CHAINS * x], CHAINS * (CHAINS + 2 / (1 - factor)) * u * Math.abs(x));
  });

  it.each([1, 2, 33])("computes a tile of %i steps", (steps) => {
    // Whole numbers, whose sums float32 holds exactly.
    const [a, b] = [noise(TILE_ROWS * steps, 1), noise(TILE_COLUMNS * steps, 2)].map((list) => list.map((value) => Math.round(8 * value)));
    const expected = Array.from({ length: TILE_ROWS * TILE_COLUMNS }, (_, index) => {
      const [i, j] = [Math.floor(index / TILE_COLUMNS), index % TILE_COLUMNS];
      return Array.from({ length: steps }, (_, p) => a[p * TILE_ROWS + i] * b[p * TILE_COLUMNS + j]).reduce((sum, term) => sum + term);
    });
    inWorkspace(dtype, (w) => {
      const c = w.reals(expected.length);
      kernels.tile(steps, w.reals(a, 1), w.reals(b, 2), c);
      expectNear(w.readReals(c, expected.length), expected, 0);
    });
  });
});

it("measurePeak gives plausible figures, and a fused one where the engine has it", () => {
  const { fma, mulAdd } = measurePeak(3);
  expect(fma !== undefined).toBe(features().relaxedSimd);
  for (const rate of [fma ?? mulAdd, mulAdd]) {
    expect(rate).toBeGreaterThan(0.1);
    expect(rate).toBeLessThan(1000);
  }
});
