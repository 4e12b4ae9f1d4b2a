import { describe, expect, it } from "vitest";
import { add, eye, matmul, mean, mul, randomKey, reshape, softmax, sum, tensor, type Tensor } from "@heed/tensor";
import { expectClose, randomTensor } from "@heed/tensor/testing";
import { causal } from "@heed/masks";
import { attentionFlow, attentionRollout, MultiHeadAttention } from "./index.ts";

const [B, H, L] = [2, 3, 4];
const layers = [1, 2, 3].map((seed) => softmax(randomTensor([B, H, L, L], seed, { low: -2, high: 2 }), -1));

/** The maximum flow is the minimum cut: the least capacity from nodes with the source to those with the sink, over all ways to part them. */
function leastCut(mixed: readonly number[][][], from: number, to: number): number {
  const n = mixed[0].length;
  const nodes = (mixed.length + 1) * n;
  const [source, sink] = [mixed.length * n + from, to];
  let least = Infinity;
  for (let side = 0; side < 2 ** nodes; side++) {
    const on = (node: number) => ((side >> node) & 1) === 1;
    if (!on(source) || on(sink)) continue;
    let cut = 0;
    mixed.forEach((rows, layer) =>
      rows.forEach((row, i) => row.forEach((weight, j) => (cut += on((layer + 1) * n + i) && !on(layer * n + j) ? weight : 0))),
    );
    least = Math.min(least, cut);
  }
  return least;
}

describe("attentionRollout", () => {
  it("multiplies the layers, heads made one and half of each token gone past", () => {
    const mixed = layers.map((layer) => add(mul(mean(layer, 1), 0.5), mul(eye(L), 0.5)));
    expectClose(attentionRollout(layers), matmul(mixed[2], matmul(mixed[1], mixed[0])), 1e-6);
    expectClose(
      sum(attentionRollout(layers, { heads: "max" }), -1),
      [
        [1, 1, 1, 1],
        [1, 1, 1, 1],
      ],
      4 * 2 ** -23,
    );
    expectClose(attentionRollout(layers.slice(0, 1), { residual: 0 }), mean(layers[0], 1), 1e-6);
    expectClose(attentionRollout(layers, { residual: 1 }), add(mul(mean(layers[0], 1), 0), eye(L)), 1e-6);
    // min over heads leaves less than one; rows still sum to one.
    expectClose(sum(attentionRollout([layers[0].slice(0, 0, 1).reshape([H, L, L])], { heads: "min" }), -1), [1, 1, 1, 1], 4 * 2 ** -23);
  });

  it("leaves a token that attends to nothing with itself", () => {
    const empty = tensor([
      [0, 0],
      [0.5, 0.5],
    ]);
    expectClose(attentionRollout([empty, empty]), [
      [1, 0],
      [0.4375, 0.5625],
    ]);
    expectClose(attentionRollout([empty], { residual: 0 }), [
      [1, 0],
      [0.5, 0.5],
    ]);
  });

  it("reads what modules give: of causal layers, no token comes from later ones", () => {
    const x = randomTensor([1, L, 6], 4);
    const weights = [1, 2].map((seed) => {
      const module = new MultiHeadAttention(6, 2, { key: randomKey(seed) });
      return module.forward(x, x, x, { mask: causal(), returnWeights: true }).weights;
    });
    const rows = reshape(attentionRollout(weights), [L, L]).toArray() as number[][];
    rows.forEach((row, i) => row.forEach((from, j) => expect(from === 0).toBe(j > i)));
  });

  it("says what is wrong", () => {
    expect(() => attentionRollout([])).toThrow(
      "attentionRollout: there must be weights of a layer; got layers 0. Call layers with returnWeights.",
    );
    expect(() => attentionRollout([randomTensor([2, 3])])).toThrow(
      "weights must be [B, H, L, L], [H, L, L] or [L, L], alike in all layers",
    );
    expect(() => attentionRollout([layers[0], randomTensor([L, L])])).toThrow("alike in all layers");
    expect(() => attentionRollout(layers, { heads: "sum" as "mean" })).toThrow('heads is mean, max or min; got heads "sum"');
    expect(() => attentionFlow(layers, { residual: 2 })).toThrow("attentionFlow: residual must be in [0, 1]; got residual 2");
    expect(() => attentionFlow(layers, { token: L })).toThrow("attentionFlow: token must be one of the last layer's; got token 4, L 4");
  });
});

describe("attentionFlow", () => {
  const ofHead = (layer: Tensor, n: number) => softmax(randomTensor([n, n], layer.size), -1);

  it("is the minimum cut, for every pair of tokens", () => {
    for (const n of [2, 3]) {
      const weights = Array.from({ length: n === 2 ? 3 : 2 }, (_, i) => softmax(randomTensor([n, n], 10 + i, { low: -2, high: 2 }), -1));
      const mixed = weights.map((layer) => add(mul(layer, 0.5), mul(eye(n), 0.5)).toArray() as number[][]);
      const flow = attentionFlow(weights).toArray() as number[][];
      flow.forEach((row, i) => row.forEach((amount, j) => expect(amount).toBeCloseTo(leastCut(mixed, i, j), 5)));
    }
  });

  it("of one layer is its weights, of several at most one, and at least what the best path carries", () => {
    expectClose(attentionFlow(layers.slice(0, 1), { residual: 0 }), mean(layers[0], 1), 1e-6);
    const flow = attentionFlow(layers).toArray() as number[][][];
    const mixed = layers.map((layer) => add(mul(mean(layer, 1), 0.5), mul(eye(L), 0.5)).toArray() as number[][][]);
    flow.forEach((rows, b) =>
      rows.forEach((row, i) =>
        row.forEach((amount, j) => {
          expect(amount).toBeLessThanOrEqual(1 + 1e-6);
          expect(amount).toBeGreaterThanOrEqual(Math.min(mixed[2][b][i][i], mixed[1][b][i][j], mixed[0][b][j][j]) - 1e-6);
        }),
      ),
    );
  });

  it("gives one token's row alone where asked", () => {
    const one = attentionFlow(layers, { token: 2 });
    expect(one.shape).toEqual([B, 1, L]);
    expectClose(one, attentionFlow(layers).slice(1, 2, 3));
    expectClose(attentionFlow([ofHead(layers[0], 3)], { token: 0 }), attentionFlow([ofHead(layers[0], 3)]).slice(0, 0, 1));
  });

  it("takes tens of tokens", () => {
    const many = [1, 2, 3, 4].map((seed) => softmax(randomTensor([24, 24], seed, { low: -3, high: 3 }), -1));
    const flow = attentionFlow(many).toArray() as number[][];
    expect(flow.flat().every((amount) => amount > 0 && amount <= 1 + 1e-6)).toBe(true);
  });
});
