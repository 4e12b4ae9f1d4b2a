import { describe, expect, it } from "vitest";
import {
  grad,
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
import { additive, bilinear, concatScore, cosine, dot, gaussian, initAdditive, scaledDot } from "./index.ts";

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
    const { vector } = form;
    const hidden = unsqueeze(query, -2).add(unsqueeze(key, -3));
    const active =
      form.activation === "leakyRelu" ? leakyRelu(hidden, { slope: form.negativeSlope }) : { tanh, sigmoid }[form.activation](hidden);
    return sum(mul(active, vector.rank === 1 ? vector : reshape(vector, [vector.shape[0], 1, 1, vector.shape[1]])), -1);
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
  ["cosine", cosine(), D],
  ["cosine with a temperature per head", cosine({ temperature: perHead }), D],
  ["bilinear", bilinear({ weight: randomTensor([D, Dk], 4) }), Dk],
  ["bilinear with a weight per head", bilinear({ weight: randomTensor([H, D, Dk], 4) }), Dk],
  ["additive", additive(initAdditive(randomKey(1), { queryDim: D, keyDim: Dk, hiddenDim: A, bias: true })), Dk],
  [
    "additive with a vector per head",
    additive({ ...initAdditive(randomKey(1), { queryDim: D, keyDim: Dk, hiddenDim: A }), vector: randomTensor([H, A], 8) }),
    Dk,
  ],
  [
    "additive with sigmoid",
    additive({ ...initAdditive(randomKey(2), { queryDim: D, keyDim: Dk, hiddenDim: A }), activation: "sigmoid" }),
    Dk,
  ],
  [
    "additive with leakyRelu",
    additive({ ...initAdditive(randomKey(2), { queryDim: D, keyDim: Dk, hiddenDim: A }), activation: "leakyRelu" }),
    Dk,
  ],
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
  const [narrow, wide] = [D, 3].map((width) => [H, S, width]) as [number[], number[]];
  type Learned = readonly (Tensor | readonly number[])[];
  const additiveShapes = [[2, D], [2, 3], [2]];
  it.each<[string, (...learned: Tensor[]) => Score, readonly number[], Learned]>([
    ["dot", () => dot(), narrow, []],
    ["scaledDot", (scale) => scaledDot({ scale }), narrow, [perHead]],
    ["gaussian", (sigma) => gaussian({ sigma }), narrow, [perHead]],
    ["cosine", (temperature) => cosine({ temperature }), narrow, [perHead]],
    ["bilinear", (weight) => bilinear({ weight }), wide, [[D, 3]]],
    ["bilinear with a weight per head", (weight) => bilinear({ weight }), wide, [[H, D, 3]]],
    [
      "additive",
      (queryWeight, keyWeight, vector, bias) => additive({ queryWeight, keyWeight, vector, bias }),
      wide,
      [...additiveShapes, [2]],
    ],
    [
      "additive with sigmoid and a vector per head",
      (queryWeight, keyWeight, vector) => additive({ queryWeight, keyWeight, vector, activation: "sigmoid" }),
      wide,
      [...additiveShapes.slice(0, 2), [H, 2]],
    ],
    ["concatScore", (weight, vector) => concatScore({ weight, vector, queryDim: D }), wide, [[2, D + 3], [2]]],
  ])("have the gradients of their central differences, by everything they learn, densely and lowered: %s", (_, make, keys, learned) => {
    const inputs = [[H, L, D], keys, ...learned];
    expectGradient((q, k, ...rest) => make(...rest).dense(q, k), inputs);
    expectGradient((q, k, ...rest) => meaning(make(...rest).lower(q, k)), inputs);
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
      [],
      ["temperature"],
      ["weight"],
      ["weight"],
      ["queryWeight", "keyWeight", "vector", "bias"],
      ["queryWeight", "keyWeight", "vector"],
      ["queryWeight", "keyWeight", "vector"],
      ["queryWeight", "keyWeight", "vector"],
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

  it("take angles alone for cosine: lengths do not count, zeros have the cosine 0, and gradients stay finite there", () => {
    const [q, k] = [
      tensor([
        [3, 4],
        [0, 0],
      ]),
      tensor([
        [4, 3],
        [-30, -40],
        [1e-12, 0],
      ]),
    ];
    // As torch.nn.functional.cosine_similarity: (3, 4) and (1e-12, 0), which is shorter than eps, have 3e-12 / (5 · 1e-8).
    expectClose(
      cosine().dense(q, k),
      [
        [0.96, -1, 0.6e-4],
        [0, 0, 0],
      ],
      1e-7,
    );
    expectClose(
      cosine({ temperature: 0.1 }).dense(q, k),
      [
        [9.6, -10, 0.6e-3],
        [0, 0, 0],
      ],
      1e-6,
    );
    const gradient = grad((x: Tensor) => sum(cosine().dense(x, k)))(tensor([[0, 0]], { requiresGrad: true }));
    // |0| is below eps, which divides: the sum of the keys' unit vectors (the last of which is 1e-4 long) over eps.
    expectClose(gradient, [[(0.8 - 0.6 + 1e-4) / 1e-8, (0.6 - 0.8) / 1e-8]], 20);
  });

  it("keep near keys apart far from the origin: a Gaussian by differences", () => {
    // |q − k|² of q = 1000, k = 1000.125 by its expansion would be lost in float32: 10⁶ has a spacing of 1/16.
    expectClose(gaussian({ sigma: 0.125 }).dense(tensor([[1000]]), tensor([[1000.125], [1000.25]])), [[-0.5, -2]]);
  });
});
