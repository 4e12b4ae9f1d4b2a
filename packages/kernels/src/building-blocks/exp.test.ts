import { describe, expect, it } from "vitest";
import { f32x4, ModuleBuilder, type Build } from "../assembler/index.ts";
import { Constants } from "./constants.ts";
import { powerOfTwoBlock } from "./exp.ts";

describe.each(["relaxed", "simd"] as const)("powerOfTwoBlock in the %s build", (build: Build) => {
  const m = new ModuleBuilder(build);
  m.func("run", { params: { x: "f32" }, result: "f32" }, (f, { x }) => {
    const power = powerOfTwoBlock(new Constants(f));
    f.return(f32x4.extractLane(power(f32x4.splat(x)), 0));
  });
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(m.toBytes()), { env: { memory } });
  const power = exports["run"] as (x: number) => number;

  it("is exact for integers", () => {
    for (let n = -126; n <= 127; n++) expect(power(n)).toBe(2 ** n);
  });

  it("is within 2 ulp elsewhere", () => {
    let worst = 0;
    for (let x = -126; x < 127; x += 0.000_973) {
      const at = Math.fround(x);
      worst = Math.max(worst, Math.abs(power(at) / 2 ** at - 1));
    }
    expect(worst).toBeLessThan(2 * 2 ** -23);
  });

  it("ends in 0 and ∞, and a NaN stays", () => {
    for (const x of [-127, -128, -1e4, -3e38, -Infinity]) expect(power(x)).toBe(0);
    for (const x of [128, 129.8, 300, 700, 5e6, 3e38, Infinity]) expect(power(x)).toBe(Infinity);
    expect(power(NaN)).toBeNaN();
  });
});
