import { describe, expect, it } from "vitest";
import { describePairs, int, real, values } from "../../test/pairs.ts";
import { implementationsOf, inWorkspace } from "../testing/workspace.ts";
import { binary } from "./binary.ts";

describePairs(binary, [
  real("add", (a, b) => a + b),
  real("sub", (a, b) => a - b),
  real("mul", (a, b) => a * b),
  real("div", (a, b) => a / b),
  real("maximum", Math.max),
  real("minimum", Math.min),
  int("addInt", (a, b) => (a + b) | 0),
  int("subInt", (a, b) => (a - b) | 0),
  int("mulInt", Math.imul),
  int("maximumInt", Math.max),
  int("minimumInt", Math.min),
]);

describe.each(implementationsOf(binary))("$name", ({ dtype, kernels }) => {
  it("axpy adds, also to nothing", () => {
    for (const n of [0, 1, 3, 4, 5, 16, 18]) {
      const [x, y] = [values("reals", n, 1), values("reals", n, 2)];
      const sum = inWorkspace(dtype, (w) => {
        const [from, to] = [w.reals(x, 1), w.reals(y, 2)];
        kernels.axpy(from, to, n, -0.75);
        return w.readReals(to, n);
      });
      // A multiplication and an addition, each rounded or fused.
      const bound = dtype === "float32" ? 2 ** -22 : 2 ** -51;
      expect(sum.every((value, i) => Math.abs(value - (y[i]! - 0.75 * x[i]!)) <= bound * (Math.abs(y[i]!) + Math.abs(x[i]!)))).toBe(true);
    }
  });
});
