import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { add, cast, div, grad, mul, reshape, sub, sum, tanh as tanhOf, tensor, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import type { Mask, TermContext } from "@heed/tensor/terms";
import { and, causal, document, fromTensor, not, or, padding, window } from "@heed/masks";
import { alibi } from "@heed/positional";
import { attention } from "../index.ts";
import {
  abs,
  differentiate,
  exp,
  floor,
  log,
  maskMod,
  max,
  min,
  scoreMod,
  select,
  sigmoid,
  sqrt,
  table,
  tanh,
  toFloat,
  type Expr,
} from "../expressions.ts";
import { evaluate, wholeRegion } from "./evaluate.ts";
import { formOf } from "./form.ts";
import { expectSame } from "../../test/expect-same-mask.ts";

const [B, H, L, S, D] = [2, 3, 5, 7, 4];
const context: TermContext = { B, H, L, S, queryOffset: 2, dtype: "float64" };
const region = wholeRegion(context);
const scores = cast(randomTensor([B, H, L, S], 1, { low: -2, high: 2 }), "float64");
const weights = table(randomTensor([H, 5], 2, { low: 0.5, high: 1.5, dtype: "float64" }));
const counts = table(tensor([3, 1, 4, 1, 5], { dtype: "int32" }));

describe("expressions", () => {
  it("print themselves, and are what they print", () => {
    const { expression } = scoreMod(({ score, i, j, h }) =>
      select(j.less(i.add(1)), tanh(score.div(20)).mul(20), weights.at(h, j.sub(i)).neg()),
    );
    expect(String(expression)).toBe("select((j < (i + 1)), (tanh((score / 20)) · 20), −t0[h, (j − i)])");
    expect(Object.isFrozen(expression)).toBe(true);
    expect(formOf(expression).tables.length).toBe(1);
  });

  it("leave out operations that do nothing", () => {
    const text = (build: (score: Expr, i: Expr) => Expr) => String(scoreMod(({ score, i }) => build(score, i)).expression);
    expect(text((s) => s.mul(1).add(0).sub(0).div(1))).toBe("score");
    expect(text((s) => s.mul(0))).toBe("0");
    expect(text((s) => s.neg().neg().mul(-1))).toBe("−score");
    expect(text((s, i) => s.add(i.mul(2).add(3)))).toBe("(score + ((i · 2) + 3))");
  });

  it("mix int and float to float, and divide ints as floats", () => {
    const value = (build: Parameters<typeof scoreMod>[0]) =>
      scoreMod(build).dense(scores, context).slice(0, 0, 1).slice(1, 0, 1).slice(2, 3, 4).slice(3, 6, 7).item();
    expect(value(({ i, j }) => j.div(i))).toBe(2);
    expect(value(({ i, j }) => i.mul(0.5).add(j))).toBe(7.5);
    expect(value(({ i }) => i.neg().floorDiv(2))).toBe(-2);
    expect(value(({ i, j }) => i.sub(j).sub(1).mod(3))).toBe(2);
    expect(value(({ i, j }) => i.floorDiv(j.sub(6)).add(i.mod(j.sub(6))))).toBe(0);
    expect(value(({ position, h, b }) => position.add(h).add(b))).toBe(5);
    expect(
      value(({ i, j }) =>
        min(i, j)
          .add(max(i, j).mul(10))
          .add(abs(i.sub(j)).mul(100)),
      ),
    ).toBe(363);
    expect(value(({ j }) => floor(toFloat(j).div(4)))).toBe(1);
    expect(value(({ i, j }) => select(i.less(j).and(i.equal(3)).or(j.equal(0)).not(), 1, 2))).toBe(2);
    expect(value(({ i, j }) => select(i.greater(j).or(i.greaterEqual(3).and(i.notEqual(j))), 1, 2))).toBe(1);
    expect(value(({ j }) => counts.at(j))).toBe(5); // clamped
    expect(value(() => counts.at(-1))).toBe(3);
    expect(value(({ j }) => table(tensor([1, 2], { dtype: "int32" }), { outside: 9 }).at(j))).toBe(9);
    expect(value(({ i }) => select(table(tensor([true, false])).at(i), 1, 2))).toBe(2);
  });

  const builders: Record<string, Parameters<typeof scoreMod>[0]> = {
    softcap: ({ score }) => tanh(score.div(0.7)).mul(0.7),
    tables: ({ score, h, i, j }) => score.mul(weights.at(h, j.sub(i).add(2))).add(weights.at(h, counts.at(j))),
    "out of range": ({ score, h, j }) => score.add(table(randomTensor([H, 3], 3, { dtype: "float64" }), { outside: 0.25 }).at(h, j.sub(1))),
    functions: ({ score }) =>
      sqrt(exp(score).add(1))
        .add(log(abs(score).add(1)))
        .sub(sigmoid(score.mul(score)))
        .div(score.mul(score).add(2)),
    kinks: ({ score, j }) =>
      max(score, 0.1)
        .add(min(score, toFloat(j).mul(0.3)))
        .add(floor(score).mul(score)),
    choices: ({ score, i, j }) => select(j.lessEqual(i), score.mul(2), select(score.less(0), score.neg(), exp(score))),
    shared: ({ score }) => ((x: Expr) => x.mul(x).add(x.div(x.add(3))))(tanh(score)),
    constant: ({ i, j }) => i.sub(j).mul(0.5),
  };
  it.each(Object.entries(builders))("differentiate symbolically as the tape does: %s", (_, build) => {
    const { expression, dense } = scoreMod(build);
    const derivatives = differentiate(expression);
    const byTape = grad((s: Tensor) => sum(add(dense(s, context), mul(s, 0))))(scores);
    expectClose(evaluate(formOf(derivatives.score), scores, region), byTape, 1e-12);
    // By each place where a table is read: adding a number there, at that place alone.
    for (const { lookup, derivative } of derivatives.lookups) {
      const step = 1e-6;
      const shifted = (by: number) => evaluate(formOf(replaced(expression, lookup, lookup.add(by))), scores, region);
      const expected = div(sub(shifted(step), shifted(-step)), 2 * step);
      expectClose(evaluate(formOf(derivative), scores, region), expected, 1e-8);
    }
  });

  it("say what is wrong", () => {
    expect(() => scoreMod(({ i, j }) => i.less(j))).toThrow(
      /scoreMod: the expression must be a number; got expression "\(i < j\)"\. Close pairs by maskMod/,
    );
    expect(() => maskMod(({ i, j }) => i.sub(j))).toThrow(/maskMod: the expression must be a bool; got expression "\(i − j\)", type "int"/);
    expect(() => scoreMod(({ score, j }) => counts.at(score).add(j))).toThrow(
      /operands and indices must be ints; got expression "score", type "float"/,
    );
    expect(() => scoreMod(({ h, j }) => weights.at(h).add(j))).toThrow(
      /table: there must be an index per axis; got indices 1, values \[3, 5\]/,
    );
    expect(() => scoreMod(({ i, j, score }) => score.add(i.less(j)))).toThrow(
      /add: a bool is no number; got expression "\(i < j\)"\. select/,
    );
    expect(() => scoreMod(({ i, score }) => i.mod(score))).toThrow(/mod: operands and indices must be ints/);
    expect(() => table(tensor([1], { dtype: "uint8" }))).toThrow(/values must be float32, float64, int32 or bool; got values "uint8"/);
    expect(() => table(tensor(1))).toThrow(/values must have an axis and an element/);
    expect(() => scoreMod((() => "x") as never)).toThrow(/the function must return an expression; got returned "string"/);
    const leaky = scoreMod(({ score }) => score);
    expect(() => maskMod(() => leaky.expression.less(0))).toThrow(/the expression must not read score/);
  });
});

/** The expression with one part in another's place. */
function replaced(root: Expr, part: Expr, by: Expr): Expr {
  const made = new Map<Expr, Expr>([[part, by]]);
  const of = (x: Expr): Expr => {
    let found = made.get(x);
    if (found !== undefined) return found;
    const { node } = x;
    const again = (list: readonly Expr[]) => list.map(of);
    const remake = (changed: typeof node) => new (x.constructor as new (type: string, node: unknown) => Expr)(x.type, changed);
    if (node.op === "lookup") found = remake({ ...node, indices: again(node.indices) });
    else if (node.op === "constant" || node.op === "variable") found = x;
    else found = remake({ ...node, operands: again(node.operands) });
    made.set(x, found);
    return found;
  };
  return of(root);
}

describe.each(eachBackend())("on $name", ({ use }) => {
  const [query, key, value] = [randomTensor([B, H, L, D], 1), randomTensor([B, H, S, D], 2), randomTensor([B, H, S, 3], 3)];

  it("a scoreMod is applied after scale, softcap and bias, before the mask", () =>
    use(() => {
      const options = { mask: causal(), softcap: 2, bias: randomTensor([H, 1, S], 4) };
      const all = attention(query, key, value, {
        ...options,
        scoreMod: scoreMod(({ score }) => score.mul(score)),
        returns: ["scores:softcapped", "scores:masked"],
      });
      const before = add(all["scores:softcapped"], options.bias);
      const open = causal().toTensor(L, S).toTypedArray();
      const masked = Float32Array.from(all["scores:masked"].toTypedArray(), (s, at) => (open[at % (L * S)] === 1 ? s : 0));
      const expected = Float32Array.from(mul(before, before).toTypedArray(), (s, at) => (open[at % (L * S)] === 1 ? s : 0));
      expectClose(tensor(masked), tensor(expected), 1e-6);
    }));

  it("soft-capping and ALiBi by scoreMod are those of their own options", () =>
    use(() => {
      const capped = scoreMod(({ score }) => tanh(score.div(1.5)).mul(1.5));
      expectClose(attention(query, key, value, { scoreMod: capped }), attention(query, key, value, { softcap: 1.5 }), 1e-6);
      const slopes = table(tensor([2 ** -4, 2 ** -8, 2 ** -2]));
      const biased = scoreMod(({ score, h, position, j }) => score.add(slopes.at(h).mul(j.sub(position))));
      expectClose(
        attention(query, key, value, { scoreMod: biased, mask: causal() }),
        attention(query, key, value, { bias: alibi({ numHeads: H }), mask: causal() }),
        1e-6,
      );
    }));

  it("masks by maskMod are those of @heed/masks", () =>
    use(() => {
      const ids = table(tensor([0, 0, 1, 1, 1, 2, 2], { dtype: "int32" }));
      const lengths = table(tensor([4, 7], { dtype: "int32" }));
      const pairs: [Mask, Mask][] = [
        [maskMod(({ position, j }) => j.lessEqual(position)), causal()],
        [maskMod(({ position, j }) => position.sub(j).lessEqual(2).and(j.lessEqual(position))), window(2, 0)],
        [maskMod(({ position, j }) => ids.at(position).equal(ids.at(j))), document([0, 0, 1, 1, 1, 2, 2])],
        [maskMod(({ b, j }) => j.less(lengths.at(b))), padding([4, 7])],
      ];
      for (const [mine, theirs] of pairs)
        expectClose(attention(query, key, value, { mask: mine }), attention(query, key, value, { mask: theirs }), 1e-6);
    }));
});

describe("gradients", () => {
  it("reach queries, keys, values and float tables through a scoreMod", () => {
    expectGradient(
      (q, k, v, perHead) => {
        const rows = table(perHead);
        const mod = scoreMod(({ score, h, i, j }) => tanh(score.mul(rows.at(h, j.sub(i).add(2)))).add(rows.at(h, 0)));
        return attention(q, k, v, { scoreMod: mod, mask: causal() });
      },
      [
        [2, 3, 3],
        [2, 4, 3],
        [2, 4, 2],
        [2, 5],
      ],
    );
  });
});

describe("lowering of maskMod", () => {
  const numbers = table(
    tensor(
      Array.from({ length: 150 }, (_, at) => (at * 37) % 11),
      { dtype: "int32" },
    ),
  );
  const reals = table(tensor([0.5, -1, Infinity, -Infinity, 2, 0.25, 7, -3]));
  type Make = (p: { i: Expr; j: Expr; position: Expr; b: Expr; h: Expr }) => Expr;
  const ints = fc.letrec<{ n: Make }>((tie) => ({
    n: fc.oneof(
      { maxDepth: 3, depthIdentifier: "n" },
      fc.constantFrom("i", "j", "position", "b", "h").map(
        (name): Make =>
          (p) =>
            p[name as "i"],
      ),
      fc.integer({ min: -70, max: 140 }).map(
        (n): Make =>
          ({ i }) =>
            i.sub(i).add(n),
      ),
      fc.tuple(tie("n"), tie("n"), fc.constantFrom("add", "sub", "mul", "floorDiv", "mod")).map(
        ([a, b, op]): Make =>
          (p) =>
            a(p)[op as "add"](b(p)),
      ),
      fc.tuple(tie("n"), tie("n")).map(
        ([a, b]): Make =>
          (p) =>
            min(a(p), max(b(p), 3)),
      ),
      tie("n").map(
        (a): Make =>
          (p) =>
            abs(a(p)),
      ),
      tie("n").map(
        (a): Make =>
          (p) =>
            numbers.at(a(p)),
      ),
      fc.tuple(tie("n"), tie("n")).map(
        ([a, b]): Make =>
          (p) =>
            select(a(p).less(b(p)), a(p), b(p).neg()),
      ),
    ),
  })).n;
  const operators = ["less", "lessEqual", "equal", "notEqual"] as const;

  it("says the same as the dense definition, whatever the expression", () => {
    const [L, S] = [130, 70];
    fc.assert(
      fc.property(ints, ints, fc.constantFrom(...operators), fc.boolean(), (a, b, op, float) => {
        const mask = maskMod((p) => {
          const left = float ? reals.at(a(p).mod(9)).mul(b(p)) : a(p);
          return left[op](float ? toFloat(a(p)).div(3) : b(p));
        });
        const context = { B: 2, H: 1, L, S, queryOffset: Int32Array.of(-3, 40) };
        expectSame(mask.lower(context), mask.dense(context), L, S);
      }),
      { numRuns: 60, seed: 7 },
    );
  });

  it("finds tiles by intervals: causal ∧ window ∧ document of 16,384 × 16,384 computes the pairs of the diagonal alone", () => {
    const n = 16_384;
    const ids = table(tensor(Int32Array.from({ length: n }, (_, at) => Math.floor(at / 1000))));
    const mask = maskMod(
      ({ position, j }) =>
        j
          .lessEqual(position)
          .and(position.sub(j).less(256))
          .and(ids.at(position).equal(ids.at(j)))
          .and(position.mul(j).mod(3).notEqual(3)), // Never false, and nothing that could be solved for j.
    );
    const form = mask.lower({ B: 1, H: 1, L: n, S: n, queryOffset: 0 });
    if (form.form !== "tiles") throw new Error(form.form);
    const mixed = form.verdicts.filter((verdict) => verdict === 2).length;
    // Five tiles wide at most: what is not empty lies on a band along the diagonal.
    expect(mixed).toBeLessThan(3.2 * (n / 64));
    expect(form.bits.length).toBe(mixed * 512);
    expect(form.verdicts.filter((verdict) => verdict === 1).length).toBeGreaterThan(1.5 * (n / 64));
  });

  it("combines with masks of @heed/masks as a tensor", () => {
    const even = maskMod(({ i, j }) => i.add(j).mod(2).equal(0));
    const context = { B: 1, H: 1, L: 5, S: 5, queryOffset: 0 };
    const bits = fromTensor(reshape(even.dense(context), [5, 5]));
    expect(
      and(bits, causal())
        .toString(5, 5)
        .split("\n")
        .map((row) => row.slice(0, 5))
        .slice(0, 3)
        .join("\n"),
    ).toBe("■ · ·\n· ■ ·\n■ · ■");
    expect(
      or(bits, not(bits))
        .toTensor(5, 5)
        .toTypedArray()
        .every((bit) => bit === 1),
    ).toBe(true);
  });
});

it("the derivative of soft-capping is what it should be", () => {
  const { expression } = scoreMod(({ score }) => tanh(score.div(30)).mul(30));
  const { score: slope } = differentiate(expression);
  const capped = tanhOf(div(scores, 30));
  expectClose(evaluate(formOf(slope), scores, region), sub(1, mul(capped, capped)), 1e-12);
});
