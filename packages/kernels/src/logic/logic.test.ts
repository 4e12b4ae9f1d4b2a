import { describe, expect, it } from "vitest";
import { byte, describePairs, int, read, real, values } from "../../test/pairs.ts";
import { implementationsOf, inWorkspace } from "../testing/workspace.ts";
import { logic, type Where } from "./logic.ts";

describePairs(logic, [
  real("greater", (a, b) => +(a > b), "bytes"),
  real("greaterEqual", (a, b) => +(a >= b), "bytes"),
  real("less", (a, b) => +(a < b), "bytes"),
  real("lessEqual", (a, b) => +(a <= b), "bytes"),
  real("equal", (a, b) => +(a === b), "bytes"),
  real("notEqual", (a, b) => +(a !== b), "bytes"),
  int("greaterInt", (a, b) => +(a > b), "bytes"),
  int("greaterEqualInt", (a, b) => +(a >= b), "bytes"),
  int("lessInt", (a, b) => +(a < b), "bytes"),
  int("lessEqualInt", (a, b) => +(a <= b), "bytes"),
  int("equalInt", (a, b) => +(a === b), "bytes"),
  int("notEqualInt", (a, b) => +(a !== b), "bytes"),
  byte("logicalAnd", (a, b) => +(a !== 0 && b !== 0)),
  byte("logicalOr", (a, b) => +(a !== 0 || b !== 0)),
  byte("logicalXor", (a, b) => +((a !== 0) !== (b !== 0))),
]);

describe.each(implementationsOf(logic))("$name", ({ dtype, kernels }) => {
  it.each([
    ["where", "reals"],
    ["whereInt", "ints"],
    ["whereBytes", "bytes"],
  ] as const)("%s picks, and what it does not pick may be NaN", (name, kind) => {
    for (const inner of [0, 1, 3, 4, 5, 8, 9]) {
      for (let bits = 0; bits < 64; bits++) {
        const strides = [0, 1, 2].map(
          (operand) => [((bits >> (2 * operand)) & 1) * inner, (bits >> (2 * operand + 1)) & 1] as [number, number],
        );
        const outer = 3;
        const [flags, a, b] = [values("bytes", outer * inner, bits), values(kind, outer * inner, 2), values(kind, outer * inner, 3)];
        if (kind === "reals" && inner > 2) [a[2], b[1]] = [NaN, NaN];
        const at = (list: number[], operand: number, i: number, j: number) => list[i * strides[operand]![0] + j * strides[operand]![1]]!;
        const truth = Array.from({ length: outer * inner }, (_, index) => {
          const [i, j] = [Math.floor(index / inner), index % inner];
          return at(flags, 0, i, j) === 0 ? at(b, 2, i, j) : at(a, 1, i, j);
        });
        const y = inWorkspace(dtype, (w) => {
          const out = w[kind](outer * inner, 3);
          (kernels[name] as Where)(
            w.bytes(flags, 1),
            ...strides[0]!,
            w[kind](a, 1),
            ...strides[1]!,
            w[kind](b, 2),
            ...strides[2]!,
            out,
            outer,
            inner,
          );
          return read(w, kind, out, outer * inner);
        });
        expect(y).toEqual(truth);
      }
    }
  });

  it("logicalNot turns bytes over", () => {
    const y = inWorkspace(dtype, (w) => {
      const [x, out] = [w.bytes([0, 1, 255, 0, 7]), w.bytes(5)];
      kernels.logicalNot(x, out, 5);
      return w.readBytes(out, 5);
    });
    expect(y).toEqual([1, 0, 0, 1, 0]);
  });
});
