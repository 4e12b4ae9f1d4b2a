import { describe, expect, it } from "vitest";
import { f32x4, ModuleBuilder, type Build } from "../assembler/index.ts";
import { Constants } from "./constants.ts";
import { powerOfTwoBlock } from "./exp.ts";

describe.each(["relaxed", "simd"] as const)("powerOfTwoBlock in the %s build", (build: Build) => {
  const m = new ModuleBuilder(build);
  m.func("run", { params: { x: "f32", scale: "f32" }, result: "f32" }, (f, { x, scale }) => {
    const power = powerOfTwoBlock(new Constants(f), f.let(f32x4.splat(scale)));
    f.return(f32x4.extractLane(power(f32x4.splat(x)), 0));
  });
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(m.toBytes()), { env: { memory } });
  const power = exports["run"] as (x: number, scale: number) => number;

  it("is exact for integers", () => {
    for (let n = -126; n <= 127; n++) {
      expect(power(n, 1)).toBe(2 ** n);
      expect(power(2 * n, 0.5)).toBe(2 ** n);
    }
  });

  it("is within 2 ulp elsewhere, and within that of the rounded product without fused multiply-add", () => {
    const error = (x: number, scale: number): number => {
      const [at, factor] = [Math.fround(x), Math.fround(scale)];
      const product = build === "relaxed" ? at * factor : Math.fround(at * factor);
      return Math.abs(power(at, factor) / 2 ** product - 1);
    };
    let worst = 0;
    for (let x = -126; x < 127; x += 0.000_973) worst = Math.max(worst, error(x, 1), error(5.5 * x, 0.18033688));
    expect(worst).toBeLessThan(2 * 2 ** -23);
  });

  it.each([2 ** -100, 2 ** -3, 1, 3, 2 ** 100])("ends in 0 and 2^127, and a NaN stays, scaled by %s", (scale) => {
    for (const t of [-127, -128, -1e4, -3e38, -Infinity]) expect(power(t / scale, scale)).toBe(0);
    const most = power(127 / scale, scale);
    expect(Math.abs(most / 2 ** 127 - 1)).toBeLessThan(127 * 2 ** -23);
    for (const t of [128, 129.8, 300, 700, 5e6, 3e38, Infinity]) expect(power(t / scale, scale)).toBe(most);
    expect(power(NaN, scale)).toBeNaN();
    expect(power(0, scale)).toBe(1);
  });
});
