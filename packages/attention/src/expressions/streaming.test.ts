import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { configuration, configure, threads } from "@heed/kernels";
import { grad, randomKey, sum, square, tensor, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, randomTensor } from "@heed/tensor/testing";
import { and, causal, padding, window } from "@heed/masks";
import { differencesFromDense, everything } from "../../test/against-dense.ts";
import {
  abs,
  exp,
  floor,
  log,
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
  type Operand,
  type ScoreVariables,
} from "../expressions.ts";
import { attention, explain, type AttentionOptions } from "../index.ts";
import { relu, sigmoid as sigmoidNormaliser } from "../normalisers.ts";

const [B, H, Hkv, L, S, D, E] = [2, 4, 2, 37, 70, 8, 6];
const ids = table(tensor(Int32Array.from({ length: S }, (_, j) => Math.floor(j / 19))));
const heard = table(randomTensor([B, S], 5, { dtype: "bool" }));
const away = ({ position, j }: ScoreVariables) => abs(j.sub(position));

interface Written {
  readonly name: string;
  readonly write: (variables: ScoreVariables, learned: Tensor) => Operand;
  /** Of a learned table. */
  readonly shape?: readonly number[];
}

const written: Written[] = [
  { name: "ALiBi", shape: [H], write: ({ score, h, j, position }, t) => score.add(table(t).at(h).mul(j.sub(position))) },
  { name: "soft cap", write: ({ score }) => tanh(score.div(1.5)).mul(1.5) },
  {
    name: "tanh gate",
    shape: [H, 2],
    write: ({ score, h }, t) =>
      sigmoid(table(t).at(h, 0))
        .mul(score)
        .add(tanh(table(t).at(h, 1).mul(score))),
  },
  { name: "a number per head", shape: [H], write: ({ score, h }, t) => score.mul(table(t).at(h)) },
  {
    name: "buckets, as T5's",
    shape: [H, 12],
    write: (at, t) => at.score.add(table(t).at(at.h, min(away(at), min(away(at).sub(8).floorDiv(16).add(8), 11)))),
  },
  {
    name: "a penalty across documents",
    shape: [1],
    write: ({ score, position, j }, t) => select(ids.at(position).equal(ids.at(j)), score, score.sub(table(t).at(0))),
  },
  { name: "decay with distance", shape: [H], write: (at, t) => at.score.mul(exp(abs(table(t).at(at.h)).mul(away(at)).mul(-0.1))) },
  { name: "logarithm of distance", shape: [3], write: (at, t) => at.score.sub(log(away(at).add(1)).mul(table(t).at(at.h))) },
  { name: "bools per sample and key", write: ({ score, b, j }) => select(heard.at(b, j), score, score.mul(0.5)) },
  { name: "a number per pair", shape: [L, S], write: ({ score, i, j }, t) => score.add(table(t).at(i, j)) },
  {
    name: "a table with an outside",
    shape: [9],
    write: ({ score, position, j }, t) => score.add(table(t, { outside: 0.5 }).at(j.sub(position).add(4)).mul(score)),
  },
  { name: "leaky, with a root", write: ({ score }) => max(score, score.mul(0.1)).add(sqrt(abs(score).add(1))) },
  {
    name: "checkerboards",
    write: ({ score, i, j }) => select(i.add(j).mod(3).equal(0), score, score.neg()).add(toFloat(j.sub(i).floorDiv(4).mod(5)).div(7)),
  },
  {
    name: "divisors that change",
    write: ({ score, i, j }) => score.add(floor(toFloat(j.sub(30).mod(i.sub(20))).div(4))).add(j.sub(50).floorDiv(i.sub(10)).mul(0.1)),
  },
  { name: "no score at all", write: ({ i, j }) => toFloat(i.sub(j).mod(5)) },
  { name: "what closes pairs", write: ({ score, position, j }) => select(j.lessEqual(position).or(j.equal(0)), score, -Infinity) },
  {
    name: "one table in two places",
    shape: [5],
    write: ({ score, b, j }, t) =>
      score.mul(table(t).at(b)).add(
        table(t)
          .at(j.mod(5))
          .mul(table(t).at(j.mod(5))),
      ),
  },
  {
    name: "a bool in between",
    write: ({ score, i, h }) => select(score.less(0).and(i.greater(5).or(h.equal(1)).not()), score.mul(2), score),
  },
];

const starts = (...list: number[]) => Int32Array.from(list);
const minusInfinity = tensor(
  Float32Array.from({ length: S }, (_, j) => (j % 7 === 3 ? -Infinity : 0.1)),
  {},
);
const around: Readonly<Record<string, { readonly options: AttentionOptions; readonly shape?: "packed" | "blhd" }>> = {
  nothing: { options: {} },
  "mask and dropout": { options: { mask: and(causal(), window(30, 0)), dropoutP: 0.3, dropoutKey: randomKey(3) } },
  "softcap, mask of samples, positions": {
    options: { softcap: 3, mask: padding([S, 40]), queryOffset: Int32Array.of(-3, 20) },
    shape: "blhd",
  },
  "a bias that closes, relu": { options: { normaliser: relu({ divideBy: "sum" }) } },
  "sigmoid, packed": { options: { normaliser: sigmoidNormaliser({ bias: -1 }), mask: causal() }, shape: "packed" },
};

/** Tensors, and a call of them with the expression. */
function caseOf(expression: Written, which: string, sizes = { L, S }) {
  const { options, shape: kind } = around[which];
  const { L, S } = sizes;
  const shape = (heads: number, length: number, width: number) =>
    kind === "packed" ? [length, heads, width] : kind === "blhd" ? [B, length, heads, width] : [B, heads, length, width];
  const tensors: Record<string, Tensor> = {
    query: randomTensor(shape(H, L, D), 1, { low: -2, high: 2 }),
    key: randomTensor(shape(Hkv, S, D), 2, { low: -2, high: 2 }),
    value: randomTensor(shape(Hkv, S, E), 3),
    ...(expression.shape === undefined ? {} : { learned: randomTensor(expression.shape, 4, { low: 0.2, high: 1.2 }) }),
  };
  const closes = which.startsWith("a bias");
  if (closes) tensors.bias = randomTensor([H, 1, 1], 6);
  const call = (at: Record<string, Tensor>): [Tensor, Tensor, Tensor, AttentionOptions] => [
    at.query,
    at.key,
    at.value,
    {
      ...options,
      scoreMod: scoreMod((variables) => expression.write(variables, at.learned)),
      strict: true,
      ...(closes ? { bias: [at.bias, at.query.dtype === "float64" ? cast64(minusInfinity) : minusInfinity] } : {}),
      ...(kind === "blhd" ? { layout: "blhd" } : {}),
      ...(kind === "packed" ? { cuSeqlensQuery: starts(0, 11, L), cuSeqlensKey: starts(0, 30, S) } : {}),
    },
  ];
  return { tensors, call };
}

const cast64 = (x: Tensor) => tensor(Float64Array.from(x.toTypedArray()), { shape: x.shape, dtype: "float64" });

describe.each(eachBackend())("on $name, in the kernel", ({ use }) => {
  const others = Object.keys(around).slice(1);
  const cases = written.flatMap((expression, n) =>
    ["nothing", others[n % others.length], others[(n + 1) % others.length]].map((which) => ({ ...expression, which, expression })),
  );
  it.each(cases)("$name, with $which, agrees with its dense definition in float64, values and gradients", ({ expression, which }) =>
    use(() => {
      const { tensors, call } = caseOf(expression, which);
      expect(differencesFromDense(tensors, call)).toBe("");
    }),
  );

  it("any expression of ints, bools and floats agrees, values and gradients", { timeout: 60_000 }, () =>
    use(() => {
      type Write<T> = (at: ScoreVariables, learned: Tensor) => T;
      const grammar = fc.letrec<{ int: Write<Expr>; bool: Write<Expr>; float: Write<Expr> }>((tie) => ({
        int: fc.oneof(
          { maxDepth: 3, depthIdentifier: "int" },
          fc.constantFrom("i", "j", "position", "b", "h").map(
            (name): Write<Expr> =>
              (at) =>
                at[name as "i"],
          ),
          fc.integer({ min: -70, max: 70 }).map(
            (n): Write<Expr> =>
              ({ h }) =>
                h.mul(0).add(n),
          ),
          fc.integer({ min: 1, max: 40 }).chain((n) =>
            tie("int").map(
              (a): Write<Expr> =>
                (...at) =>
                  a(...at).mod(n),
            ),
          ),
          fc.tuple(tie("int"), tie("int"), fc.constantFrom("add", "sub", "mul", "floorDiv", "mod")).map(
            ([a, b, op]): Write<Expr> =>
              (...at) =>
                a(...at)[op as "add"](b(...at)),
          ),
          fc.tuple(tie("int"), tie("int")).map(
            ([a, b]): Write<Expr> =>
              (...at) =>
                min(abs(a(...at)), max(b(...at), 3).neg()),
          ),
          fc.tuple(tie("bool"), tie("int"), tie("int")).map(
            ([c, a, b]): Write<Expr> =>
              (...at) =>
                select(c(...at), a(...at), b(...at)),
          ),
          tie("int").map(
            (a): Write<Expr> =>
              (...at) =>
                ids.at(a(...at)),
          ),
        ),
        bool: fc.oneof(
          { maxDepth: 3, depthIdentifier: "bool" },
          fc.tuple(tie("int"), tie("int"), fc.constantFrom("less", "lessEqual", "equal", "notEqual")).map(
            ([a, b, op]): Write<Expr> =>
              (...at) =>
                a(...at)[op as "less"](b(...at)),
          ),
          fc.tuple(tie("int"), tie("int")).map(
            ([a, b]): Write<Expr> =>
              (...at) =>
                heard.at(a(...at), b(...at)),
          ),
          fc.tuple(tie("bool"), tie("bool")).map(
            ([a, b]): Write<Expr> =>
              (...at) =>
                a(...at).and(b(...at).not()),
          ),
          fc.tuple(tie("bool"), tie("bool")).map(
            ([a, b]): Write<Expr> =>
              (...at) =>
                a(...at).or(b(...at)),
          ),
        ),
        // Bounded, and without a jump in what is a float.
        float: fc.oneof(
          { maxDepth: 3, depthIdentifier: "float" },
          fc.constant<Write<Expr>>(({ score }) => score),
          tie("int").map(
            (a): Write<Expr> =>
              (...at) =>
                tanh(toFloat(a(...at)).div(50)),
          ),
          fc.tuple(tie("int"), tie("int")).map(
            ([a, b]): Write<Expr> =>
              (...at) =>
                table(at[1], { outside: 0.25 }).at(a(...at), b(...at)),
          ),
          fc.tuple(tie("int"), tie("int")).map(
            ([a, b]): Write<Expr> =>
              (...at) =>
                table(at[1]).at(a(...at), b(...at)),
          ),
          fc.tuple(tie("float"), tie("float"), fc.constantFrom("add", "sub", "mul")).map(
            ([a, b, op]): Write<Expr> =>
              (...at) =>
                a(...at)[op as "add"](b(...at)),
          ),
          fc.tuple(tie("float"), tie("float")).map(
            ([a, b]): Write<Expr> =>
              (...at) =>
                sigmoid(a(...at)).div(exp(tanh(b(...at)))),
          ),
          fc.tuple(tie("float"), tie("float")).map(
            ([a, b]): Write<Expr> =>
              (...at) =>
                max(a(...at), min(b(...at), 0.5).neg()),
          ),
          tie("float").map(
            (a): Write<Expr> =>
              (...at) =>
                log(sqrt(abs(a(...at)).add(1))),
          ),
          fc.tuple(tie("bool"), tie("float"), tie("float")).map(
            ([c, a, b]): Write<Expr> =>
              (...at) =>
                select(c(...at), a(...at), b(...at)),
          ),
        ),
      }));
      fc.assert(
        fc.property(grammar.float, (write) => {
          const { tensors, call } = caseOf({ name: "any", shape: [6, 9], write }, "mask and dropout");
          expect(differencesFromDense(tensors, call)).toBe("");
        }),
        { numRuns: 12, seed: 5 },
      );
    }),
  );

  it("masked NaN and ±∞ change no bit, and an open pair with one is NaN", () =>
    use(() => {
      const { tensors, call } = caseOf(written[2], "mask and dropout");
      const before = everything(tensors, (at) => attention(...call(at)));
      const poisoned = Float32Array.from(tensors.key.toTypedArray());
      // causal: the last query of 37 stands at 69; window: the first one, at 33, sees from 3 on.
      for (let row = 0; row < B * Hkv; row++) poisoned.fill([NaN, Infinity, 1e38, -Infinity][row], row * S * D, (row * S + 3) * D);
      const after = everything({ ...tensors, key: tensor(poisoned, { shape: tensors.key.shape }) }, (at) => attention(...call(at)));
      for (const name of Object.keys(before)) expect(after[name].toTypedArray(), name).toEqual(before[name].toTypedArray());
      const seen = Float32Array.from(tensors.key.toTypedArray());
      seen[5 * D] = NaN;
      const output = attention(...call({ ...tensors, key: tensor(seen, { shape: tensors.key.shape }) }));
      expect(output.toTypedArray()[0]).toBeNaN();
    }));
});

describe("kernels for expressions", () => {
  it("are made once for a structure, whatever its numbers and tables", () => {
    const capped = (by: number, values: number[]) =>
      scoreMod(({ score, h }) => tanh(score.div(by)).mul(table(tensor(values)).at(h))).kernels();
    expect(capped(3, [1, 2]).forward).toBe(capped(5, [4, 5, 6]).forward);
    const other = scoreMod(({ score, h }) => tanh(score.mul(5)).mul(table(tensor([1])).at(h))).kernels();
    expect(other.forward).not.toBe(capped(3, [1, 2]).forward);
    const learned = scoreMod(({ score, h }) => tanh(score.div(3)).mul(table(tensor([1], { requiresGrad: true })).at(h))).kernels();
    expect(learned.forward).not.toBe(capped(3, [1, 2]).forward);
  });

  it("differentiate a second time by the dense definition", () => {
    const { tensors, call } = caseOf(written[0], "nothing", { L: 5, S: 6 });
    const curvature = (mods: (options: AttentionOptions) => AttentionOptions) =>
      grad((at: Record<string, Tensor>) =>
        sum(
          square(
            grad((inner: Record<string, Tensor>) => {
              const [q, k, v, options] = call(inner);
              return sum(square(attention(q, k, v, mods(options))));
            })(at).learned,
          ),
        ),
      )(tensors);
    const found = curvature((options) => options);
    const { kernels: _, ...plain } = scoreMod(({ score }) => score);
    expect(plain.name).toBe("scoreMod");
    const expected = curvature((options) => {
      const { kernels, ...rest } = options.scoreMod as ReturnType<typeof scoreMod>;
      expect(kernels).toBeDefined();
      return { ...options, scoreMod: rest, strict: false };
    });
    for (const name of Object.keys(expected)) expectClose(found[name], expected[name], 1e-3);
  });

  it("give the same bits on one thread and on two", async () => {
    const before = { ...configuration() };
    const { tensors, call } = caseOf(written[4], "mask and dropout", { L: 260, S: 270 });
    const run = () => everything(tensors, (at) => attention(...call(at)));
    try {
      configure({ threads: 1 });
      const one = run();
      configure({ threads: 2 });
      await threads.ready();
      for (let turn = 0; turn < 4; turn++) {
        const two = run();
        for (const name of Object.keys(one)) expect(two[name].toTypedArray(), name).toEqual(one[name].toTypedArray());
        await new Promise((resolve) => setTimeout(resolve, 20)); // Workers get what modules they lack.
      }
    } finally {
      configure(before);
    }
  });
});

describe("where an engine compiles nothing at run time", () => {
  afterEach(() => vi.unstubAllGlobals());
  const refused = () => {
    function Refused() {
      throw new WebAssembly.CompileError("code generation disallowed");
    }
    vi.stubGlobal("WebAssembly", Object.assign(Object.create(WebAssembly), { Module: Refused }));
  };

  it("the dense definition runs with the same results, explain says why, and strict throws", () => {
    const q = randomTensor([1, 2, 9, 8], 1);
    const mod = (by: number) => scoreMod(({ score, i }) => sigmoid(score.mul(by)).mul(i.add(by)).neg());
    const expected = attention(q, q, q, { scoreMod: mod(0.5), strict: true });
    const own = scoreMod(({ score, i }) =>
      table(tensor([-1]))
        .at(0)
        .mul(sigmoid(score.mul(0.5)))
        .mul(i.add(0.5)),
    );
    const { kernels: _, ...stranger } = own;
    expectClose(attention(q, q, q, { scoreMod: stranger }), expected, 1e-5); // What the dense definition needs is there from now on.
    refused();
    expect(explain(q, q, q, { scoreMod: own })).toMatchObject({
      kernel: "dense",
      reason: "scoreMod: this engine compiles no WebAssembly at run time (code generation disallowed)",
    });
    expectClose(attention(q, q, q, { scoreMod: own }), expected, 1e-5);
    expect(() => attention(q, q, q, { scoreMod: own, strict: true })).toThrow(/cannot take scoreMod: this engine compiles no WebAssembly/);
    // What was compiled before goes on.
    expect(explain(q, q, q, { scoreMod: mod(0.7) }).kernel).toBe("streaming");
  });
});
