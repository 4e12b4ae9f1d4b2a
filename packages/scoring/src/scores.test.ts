import { describe, expect, it } from "vitest";
import {
  cast,
  leakyRelu,
  matmul,
  mul,
  randomKey,
  reshape,
  sigmoid,
  square,
  sub,
  sum,
  tanh,
  tensor,
  transpose,
  unsqueeze,
  type Tensor,
} from "@heed/tensor";
import type { Score, ScoreForm } from "@heed/tensor/terms";
import { eachBackend, expectClose, expectGolden, expectGradient, loadGolden, randomTensor } from "@heed/tensor/testing";
import { additive, bilinear, concatScore, dot, gaussian, initAdditive, scaledDot } from "./index.ts";

const [B, H, L, S, D, Dk, A] = [2, 3, 2, 5, 4, 7, 6];

interface GoldenOptions {
  readonly kind: "additive" | "concat" | "dot" | "scaled_dot" | "bilinear" | "gaussian";
  readonly scale?: number | null;
}
type Tensors = Readonly<Record<string, Tensor>>;
const build: Readonly<Record<GoldenOptions["kind"], (params: Tensors, queryDim: number, scale?: number | null) => Score>> = {
  additive: ({ w_q: queryWeight, w_k: keyWeight, v: vector, b: bias }) =>
    additive({ queryWeight, keyWeight, vector, ...(bias === undefined ? {} : { bias }) }),
  concat: ({ w: weight, v: vector, b: bias }, queryDim) =>
    concatScore({ weight, vector, queryDim, ...(bias === undefined ? {} : { bias }) }),
  dot: () => dot(),
  scaled_dot: (_, _dim, scale) => scaledDot(scale === null || scale === undefined ? {} : { scale }),
  bilinear: ({ w: weight }) => bilinear({ weight }),
  gaussian: ({ sigma }) => gaussian({ sigma }),
};

/** What a lowered form means, in tensor operations. */
function meaning(form: ScoreForm): Tensor {
  const { query, key } = form;
  if (form.form === "additive") {
    const activation = { tanh, sigmoid, leakyRelu }[form.activation];
    return matmul(activation(unsqueeze(query, -2).add(unsqueeze(key, -3))), form.vector);
  }
  const plain = form.form === "dot" ? matmul(query, transpose(key)) : sum(square(sub(unsqueeze(query, -2), unsqueeze(key, -3))), -1);
  const { scale } = form;
  return mul(
    plain,
    typeof scale === "number" || scale.size === 1
      ? typeof scale === "number"
        ? scale
        : reshape(scale, [])
      : reshape(scale, [scale.size, 1, 1]),
  );
}

const perHead = randomTensor([H], 9, { low: 0.5, high: 2 });
const scores: readonly [string, Score, number][] = [
  ["dot", dot(), D],
  ["scaledDot", scaledDot(), D],
  ["scaledDot with a number", scaledDot({ scale: -2 }), D],
  ["scaledDot with a factor per head", scaledDot({ scale: perHead }), D],
  ["scaledDot with one factor", scaledDot({ scale: tensor(0.3) }), D],
  ["gaussian", gaussian(), D],
  ["gaussian with a bandwidth per head", gaussian({ sigma: perHead }), D],
  ["bilinear", bilinear({ weight: randomTensor([D, Dk], 4) }), Dk],
  ["additive", additive(initAdditive(randomKey(1), { queryDim: D, keyDim: Dk, hiddenDim: A, bias: true })), Dk],
  ["concatScore", concatScore({ weight: randomTensor([A, D + Dk], 5), vector: randomTensor([A], 6), queryDim: D }), Dk],
];

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("scoring", { op: "score" }))("agrees with $source on $name", (golden) =>
    use(() => {
      const { kind, scale } = golden.options as unknown as GoldenOptions;
      expectGolden(golden, ({ inputs: { q, k }, params }) => ({ y: build[kind](params, q.shape.at(-1)!, scale).dense(q, k) }));
    }),
  );

  it.each(scores)("%s lowers to a form that means the same as its dense definition", (_, score, keyDim) =>
    use(() => {
      const [query, key] = [randomTensor([B, H, L, D], 1), randomTensor([B, H, S, keyDim], 2)];
      const dense = score.dense(query, key);
      expect(dense.shape).toEqual([B, H, L, S]);
      expectClose(meaning(score.lower(query, key)), dense, 1e-5);
    }),
  );
});

describe("scores", () => {
  it("have the gradients of their central differences, by everything they learn, densely and lowered", () => {
    const [query, key, wide] = [
      [H, L, D],
      [H, S, D],
      [H, S, 3],
    ];
    const check = (make: (...learned: Tensor[]) => Score, keys: readonly number[], learned: readonly (Tensor | readonly number[])[]) => {
      expectGradient((q, k, ...rest) => make(...rest).dense(q, k), [query, keys, ...learned]);
      expectGradient((q, k, ...rest) => meaning(make(...rest).lower(q, k)), [query, keys, ...learned]);
    };
    check(() => dot(), key, []);
    check((scale) => scaledDot({ scale }), key, [perHead]);
    check((sigma) => gaussian({ sigma }), key, [perHead]);
    check((weight) => bilinear({ weight }), wide, [[D, 3]]);
    check((queryWeight, keyWeight, vector, bias) => additive({ queryWeight, keyWeight, vector, bias }), wide, [[2, D], [2, 3], [2], [2]]);
    check((weight, vector) => concatScore({ weight, vector, queryDim: D }), wide, [[2, D + 3], [2]]);
  });

  it("list what they learn, by name", () => {
    expect(scores.map(([, score]) => Object.keys(score.parameters?.() ?? {}))).toEqual([
      [],
      [],
      [],
      ["scale"],
      ["scale"],
      [],
      ["sigma"],
      ["weight"],
      ["queryWeight", "keyWeight", "vector", "bias"],
      ["weight", "vector"],
    ]);
  });

  it("draw additive parameters within 1/√width, with gradients", () => {
    const drawn = initAdditive(randomKey(1), { queryDim: 16, keyDim: 4, hiddenDim: 9 });
    for (const [x, width] of [
      [drawn.queryWeight, 16],
      [drawn.keyWeight, 4],
      [drawn.vector, 9],
    ] as const) {
      expect(x.requiresGrad).toBe(true);
      expect(Math.max(...Array.from(x.toTypedArray(), Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(width));
    }
    expect(drawn.bias).toBe(undefined);
  });

  it("take any number of leading axes, and widths of 0 where scores are products", () => {
    expect(dot().dense(randomTensor([L, D]), randomTensor([S, D])).shape).toEqual([L, S]);
    expectClose(
      scaledDot().dense(randomTensor([L, 0]), randomTensor([S, 0])),
      new Array(L).fill(0).map(() => new Array<number>(S).fill(0)),
    );
  });

  it("keep near keys apart far from the origin: a Gaussian by differences", () => {
    // |q − k|² of q = 1000, k = 1000.125 by its expansion would be lost in float32: 10⁶ has a spacing of 1/16.
    expectClose(gaussian({ sigma: 0.125 }).dense(tensor([[1000]]), tensor([[1000.125], [1000.25]])), [[-0.5, -2]]);
  });

  it("say what is wrong", () => {
    const [q, k] = [randomTensor([L, D]), randomTensor([S, Dk])];
    const wrong: [() => unknown, string][] = [
      [
        () => dot().dense(q, k),
        "dot: query and key must share width D (axis -1); got query [2, 4], key [5, 7]. Project one of them, or use bilinear or additive scores.",
      ],
      [() => scaledDot().lower(q, k), "scaledDot: query and key must share width D"],
      [() => gaussian().dense(q, k), "gaussian: query and key must share width D"],
      [
        () => dot().dense(randomTensor([D]), k),
        "dot: query and key need at least the axes [length, width]; got query [4], key [5, 7]. Add an axis: unsqueeze(x, 0).",
      ],
      [() => dot().dense(q, cast(randomTensor([S, D]), "float64")), "dot: query and key must share a dtype"],
      [() => scaledDot({ scale: Infinity }), "scaledDot: scale must be finite; got scale Infinity"],
      [() => scaledDot({ scale: randomTensor([2, 2]) }), "scaledDot: a scale tensor is a scalar or [H]; got scale [2, 2]"],
      [() => gaussian({ sigma: 0 }), "gaussian: sigma must be above 0"],
      [() => gaussian({ sigma: 1e-200 }), "gaussian: sigma must be above 0, and its square too"],
      [
        () => bilinear({ weight: randomTensor([Dk, D]) }).dense(q, k),
        "bilinear: weight has the wrong shape; got expected [4, 7], weight [7, 4]",
      ],
      [
        () => additive({ queryWeight: randomTensor([A, D]), keyWeight: randomTensor([A, D]), vector: randomTensor([A]) }).dense(q, k),
        "additive: keyWeight has the wrong shape; got expected [6, 7], keyWeight [6, 4]",
      ],
      [
        () => concatScore({ weight: randomTensor([A, D]), vector: randomTensor([A]), queryDim: D }),
        "concatScore: weight must be [A, Dq + Dk], and queryDim its first part; got weight [6, 4], queryDim 4",
      ],
      [
        () => initAdditive(randomKey(1), { queryDim: 0, keyDim: 1, hiddenDim: 1 }),
        "initAdditive: queryDim must be a whole number from 1 on",
      ],
    ];
    for (const [call, message] of wrong) expect(call).toThrow(message);
  });
});
