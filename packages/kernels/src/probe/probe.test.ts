import { describe, expect, it } from "vitest";
import { features } from "../features.ts";
import { expectNear, implementationsOf, unitRoundoff } from "../testing/workspace.ts";
import { CHAINS } from "./chains.ts";
import { measurePeak } from "./peak.ts";
import { probe } from "./probe.ts";

describe.each(implementationsOf(probe))("probe, $name", ({ name, kernels }) => {
  it.each([1, 2, 3, 1000])("runs every chain for %i turns", (turns) => {
    const [factor, term] = [Math.fround(0.75), Math.fround(0.125)];
    let x = 0;
    for (let turn = 0; turn < turns; turn++) x = x * factor + term;
    // Each turn rounds twice and shrinks what was wrong before to three quarters; then the sum of the chains rounds.
    const u = unitRoundoff(name.startsWith("reference") ? "float64" : "float32");
    expectNear([kernels.chains(turns, factor, term)], [CHAINS * x], CHAINS * (CHAINS + 2 / (1 - factor)) * u * Math.abs(x));
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
