import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { and, causal, document, window } from "@heed/masks";
import { tensor } from "@heed/tensor";
import { expectSame } from "../../test/expect-same-mask.ts";
import { abs, maskMod, max, min, select, table, toFloat, type Expr, type PairVariables } from "../expressions.ts";
import { formOf } from "./form.ts";
import { tableValues } from "./interpret.ts";
import { solve } from "./solve.ts";

const [L, S] = [130, 70];
const context = { B: 2, H: 2, L, S, queryOffset: Int32Array.of(-3, 40) };
type Write<T = Expr> = (at: PairVariables) => T;

const ints = (length: number, of: (at: number) => number) => table(tensor(Int32Array.from({ length }, (_, at) => of(at))));
const tables = {
  rising: ints(S, (at) => Math.floor(at / 9)),
  falling: ints(S, (at) => 30 - Math.floor(at / 4)),
  scattered: ints(S, (at) => (at * 7) % 11),
  pieces: ints(S, (at) => Math.floor(at / 25) % 2),
  odd: table(tensor(Float32Array.from({ length: S }, (_, at) => [NaN, Infinity, 0.5, -1, -Infinity, 3.25, 40.5, -0][at % 8]))),
};
const kept = table(
  tensor(
    Uint8Array.from({ length: 2 * S }, (_, at) => Number(at % 13 < 9)),
    { shape: [2, S], dtype: "bool" },
  ),
);

const small = fc.integer({ min: -50, max: 90 });
/** Linear in j. */
const linear: fc.Arbitrary<Write> = fc
  .tuple(
    fc.constantFrom(-3, -1, 0, 1, 1, 2),
    fc.constantFrom<keyof PairVariables>("i", "position", "b", "h"),
    fc.integer({ min: -2, max: 2 }),
    small,
  )
  .map(
    ([slope, name, factor, shift]) =>
      (at) =>
        at.j.mul(slope).add(at[name].mul(factor)).sub(shift),
  );
/** Not of j. */
const ofRow: fc.Arbitrary<Write> = fc.oneof(
  fc.tuple(fc.constantFrom<keyof PairVariables>("i", "position", "h"), small).map(
    ([name, n]): Write =>
      (at) =>
        at[name].sub(n),
  ),
  fc.constantFrom("rising", "scattered", "pieces").map(
    (name): Write =>
      ({ position }) =>
        tables[name as "rising"].at(position),
  ),
  small.map(
    (n): Write =>
      ({ h }) =>
        h.mul(0).add(n),
  ),
);
const side = fc.oneof(
  linear,
  linear.map(
    (a): Write =>
      (at) =>
        abs(a(at)),
  ),
  fc.tuple(linear, ofRow).map(
    ([a, b]): Write =>
      (at) =>
        min(a(at), b(at)),
  ),
  fc.tuple(linear, ofRow).map(
    ([a, b]): Write =>
      (at) =>
        max(a(at), b(at)),
  ),
  fc.tuple(linear, fc.integer({ min: 1, max: 9 })).map(
    ([a, by]): Write =>
      (at) =>
        a(at).floorDiv(by),
  ),
  fc.constantFrom(...(Object.keys(tables) as (keyof typeof tables)[])).map(
    (name): Write =>
      ({ j }) =>
        tables[name].at(j),
  ),
);
const comparison = fc
  .tuple(
    side,
    fc.oneof(ofRow, ofRow, linear),
    fc.constantFrom("less", "lessEqual", "equal", "notEqual"),
    fc.boolean(),
    fc.constantFrom(0, 1, 2),
  )
  .map(([a, b, op, swaps, float]): Write => (at) => {
    const x = a(at);
    // Halves, and numbers that are none.
    const y = float === 0 ? b(at) : float === 1 ? toFloat(b(at)).mul(0.5) : tables.odd.at(at.position);
    return swaps ? y[op as "less"](x) : x[op as "less"](y);
  });
const condition = fc.letrec<{ c: Write }>((tie) => ({
  c: fc.oneof(
    { maxDepth: 3, depthIdentifier: "c" },
    comparison,
    comparison,
    fc.constant<Write>(({ b, j }) => kept.at(b, j)),
    fc.constant<Write>(({ position, h }) => position.less(50).or(h.equal(1))),
    fc.tuple(tie("c"), tie("c")).map(
      ([a, b]): Write =>
        (at) =>
          a(at).and(b(at)),
    ),
    fc.tuple(tie("c"), tie("c")).map(
      ([a, b]): Write =>
        (at) =>
          a(at).or(b(at)),
    ),
    fc.tuple(tie("c"), tie("c"), tie("c")).map(
      ([a, b, c]): Write =>
        (at) =>
          select(a(at), b(at), c(at)),
    ),
    tie("c").map(
      (a): Write =>
        (at) =>
          a(at).not(),
    ),
  ),
})).c;

describe("solving a mask for j", () => {
  it("opens the pairs that the expression opens", () => {
    const seen = { ranges: 0, tiles: 0 };
    let solved = 0;
    fc.assert(
      fc.property(condition, (write) => {
        const mask = maskMod(write);
        const form = mask.lower(context);
        expectSame(form, mask.dense(context), L, S);
        seen[form.form]++;
        const parts = formOf(mask.expression);
        if (solve(parts, tableValues(parts)) !== undefined) solved++;
      }),
      { numRuns: 300, seed: 11 },
    );
    expect(seen.ranges).toBeGreaterThan(100);
    expect(seen.tiles).toBeGreaterThan(20);
    expect(solved).toBeGreaterThan(200);
  });

  it("keeps to ints: what wraps round is left to the dense pairs", () => {
    const mask = maskMod(({ i, j }) =>
      j
        .mul(2 ** 30)
        .add(i)
        .less(5),
    );
    expectSame(mask.lower({ ...context, B: 1, queryOffset: 0 }), mask.dense({ ...context, B: 1, queryOffset: 0 }), L, S);
  });

  it.each<[string, Write, 1 | 2]>([
    ["window", ({ position, j }) => abs(j.sub(position)).lessEqual(20), 1],
    ["prefix and causal", ({ position, j }) => j.less(10).or(j.lessEqual(position)), 1],
    ["window and sinks", ({ position, j }) => j.less(4).or(position.sub(j).less(16)).and(j.lessEqual(position)), 2],
    ["blocks", ({ position, j }) => position.floorDiv(16).equal(j.floorDiv(16)), 1],
    ["document", ({ position, j }) => tables.rising.at(position).equal(tables.rising.at(j)), 1],
    ["document in two pieces", ({ position, j }) => tables.pieces.at(position).equal(tables.pieces.at(j)), 2],
  ])("lowers %s to ranges", (_, write, ranges) => {
    const form = maskMod(write).lower({ ...context, queryOffset: 5 });
    expect(form).toMatchObject({ form: "ranges", ranges });
  });

  it("gives window ∧ causal ∧ document of 65,536 × 65,536 one range per row, the same as @heed/masks, in 512 KiB", () => {
    const n = 65_536;
    const ids = Int32Array.from({ length: n }, (_, at) => Math.floor(at / 1000));
    const own = table(tensor(ids));
    const mask = maskMod(({ position, j }) =>
      position
        .sub(j)
        .less(256)
        .and(j.lessEqual(position))
        .and(own.at(position).equal(own.at(j))),
    );
    const whole = { B: 1, H: 1, L: n, S: n, queryOffset: 0 };
    const form = mask.lower(whole);
    if (form.form !== "ranges") throw new Error(form.form);
    expect(form.bounds.byteLength).toBe(8 * n);
    const expected = and(window(255, 0), causal(), document(ids)).lower(whole);
    expect(form).toEqual(expected);
  });
});
