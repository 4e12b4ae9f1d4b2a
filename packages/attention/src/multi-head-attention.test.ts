import { describe, expect, it } from "vitest";
import {
  add,
  broadcastTo,
  concat,
  full,
  linear,
  matmul,
  mean,
  mul,
  randomKey,
  reshape,
  slice,
  softmax,
  sum,
  tensor,
  transpose,
  zeros,
  type Tensor,
} from "@heed/tensor";
import { eachBackend, expectClose, expectGolden, loadGolden, randomTensor } from "@heed/tensor/testing";
import { Adam, functionalCall, Linear, Module, predict, training } from "@heed/nn";
import { expectModuleGradient } from "@heed/nn/testing";
import { and, causal, fromTensor, not, or, padding, window, type DrawableMask } from "@heed/masks";
import { alibi, rope } from "@heed/positional";
import { scaledDot } from "@heed/scoring";
import { attention, mergeByLse, MultiHeadAttention } from "./index.ts";

const key = randomKey(7);
const [B, L, S, E, H] = [2, 3, 5, 6, 2];

interface GoldenOptions {
  readonly embed_dim: number;
  readonly num_heads: number;
  readonly kdim: number;
  readonly vdim: number;
  readonly bias: boolean;
  readonly add_bias_kv: boolean;
  readonly add_zero_attn: boolean;
  readonly average_attn_weights: boolean;
  readonly causal: boolean;
}
const golden = loadGolden("attention", { op: "multi_head_attention" });

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(golden)("agrees with $source on $name, under PyTorch's names", (each) =>
    use(() => {
      const {
        embed_dim: embedDim,
        num_heads: numHeads,
        kdim,
        vdim,
        bias,
        add_bias_kv: addBiasKv,
        add_zero_attn: addZeroAttn,
        average_attn_weights: averages,
        causal: isCausal,
      } = each.options as unknown as GoldenOptions;
      const module = new MultiHeadAttention(embedDim, numHeads, { key, bias, kdim, vdim, addBiasKv, addZeroAttn });
      expect(Object.keys(module.stateDict()).sort()).toEqual(Object.keys(each.params).sort());
      expectGolden(each, ({ inputs, params }) => {
        const { x, q = x, k = x, v = x, attn_mask: attnMask, attn_bias: attnBias, key_mask: keyMask } = inputs;
        const masks: DrawableMask[] = [];
        if (isCausal) masks.push(causal());
        if (attnMask !== undefined) masks.push(fromTensor(attnMask));
        if (keyMask !== undefined) masks.push(fromTensor(reshape(keyMask, [keyMask.shape[0], 1, 1, keyMask.shape[1]])));
        return functionalCall(module, params, () => {
          const call = {
            mask: and(...masks),
            ...(attnBias === undefined ? {} : { bias: attnBias }),
            queryOffset: 0,
            returnWeights: true as const,
          };
          const { output, weights } = module.forward(q, k, v, call);
          return {
            y: output,
            weights: averages ? mean(weights, 1) : weights,
          };
        });
      });
    }),
  );
});

describe("MultiHeadAttention", () => {
  it("projects, attends per head, joins and projects", () => {
    const module = new MultiHeadAttention(E, H, { key });
    module.loadStateDict({ ...module.stateDict(), in_proj_bias: randomTensor([3 * E], 3), "out_proj.bias": randomTensor([E], 4) });
    const [x, y] = [randomTensor([B, L, E], 1), randomTensor([B, S, E], 2)];
    const { in_proj_weight: weight, in_proj_bias: bias } = module.stateDict();
    const part = (z: Tensor, i: number) => linear(z, slice(weight, 0, i * E, (i + 1) * E), slice(bias, 0, i * E, (i + 1) * E));
    const [q, k, v] = [part(x, 0), part(y, 1), part(y, 2)];
    const width = E / H;
    const heads = Array.from({ length: H }, (_, h) => {
      const [qh, kh, vh] = [q, k, v].map((z) => slice(z, 2, h * width, (h + 1) * width));
      return matmul(softmax(mul(matmul(qh, transpose(kh)), 1 / Math.sqrt(width)), -1), vh);
    });
    expectClose(module.forward(x, y), module.out_proj.forward(concat(heads, 2)), 1e-5);
  });

  it("computes self-attention by one product as it does by three", () => {
    const module = new MultiHeadAttention(E, H, { key });
    const x = randomTensor([B, L, E], 1);
    expectClose(module.forward(x), module.forward(x, add(x, 0), add(x, 0)), 1e-6);
    expectClose(module.forward(x), module.forward(x, x, x));
  });

  it("has the gradients of its central differences: self, cross, masked, and with widths of their own", () => {
    const small = new MultiHeadAttention(4, 2, { key });
    expectModuleGradient(small, (module, x) => module.forward(x, x, x, { mask: causal() }), [[2, 3, 4]]);
    expectModuleGradient(
      new MultiHeadAttention(4, 2, { key, kdim: 3, vdim: 2, bias: false }),
      (module, q, k, v) => {
        const { output, weights } = module.forward(q, k, v, { returnWeights: true });
        return [output, weights];
      },
      [
        [1, 2, 4],
        [1, 3, 3],
        [1, 3, 2],
      ],
    );
    expectModuleGradient(new MultiHeadAttention(4, 2, { key, dropoutP: 0.3 }), (module, x) => training(key, () => module.forward(x)), [
      [1, 3, 4],
    ]);
  });

  it("starts as PyTorch's: Xavier bounds, biases of 0", () => {
    const { in_proj_weight: weight, in_proj_bias: bias, "out_proj.bias": out } = new MultiHeadAttention(12, 3, { key }).stateDict();
    expect(Math.max(...Array.from(weight.toTypedArray(), Math.abs))).toBeLessThanOrEqual(Math.sqrt(6 / (12 + 36)));
    expect([...bias.toTypedArray(), ...out.toTypedArray()].every((x) => x === 0)).toBe(true);
  });

  it("gives a query that may attend to nothing the bias of the last projection", () => {
    const module = new MultiHeadAttention(E, H, { key });
    module.loadStateDict({ ...module.stateDict(), "out_proj.bias": tensor([1, 2, 3, 4, 5, 6]) });
    const y = module.forward(randomTensor([1, 3, E]), undefined, undefined, { mask: causal(), queryOffset: -1 });
    expectClose(y.slice(1, 0, 1), [[[1, 2, 3, 4, 5, 6]]]);
  });

  it("drops weights in training only, by its path, and replays", () => {
    class Two extends Module {
      readonly a = new MultiHeadAttention(E, H, { key, dropoutP: 0.5 });
      readonly b = new MultiHeadAttention(E, H, { key, dropoutP: 0.5 });
      readonly head = new Linear(E, 1, { key });
    }
    const two = new Two();
    const optimiser = new Adam(two.parameters());
    expect(optimiser.parameters).toHaveLength(10);
    const x = randomTensor([B, L, E]);
    const run = () => training(key.split(1), () => [two.a.forward(x), two.b.forward(x), two.a.forward(x)].map((y) => y.toArray()));
    const [a, b, again] = run();
    expect(run()).toEqual([a, b, again]);
    expect(a).not.toEqual(b);
    expect(a).not.toEqual(again);
    expectClose(predict(two.a, x), two.a.forward(x));
  });
});

describe("MultiHeadAttention with options", () => {
  const x = randomTensor([B, L, 8], 1);
  const y = randomTensor([B, S, 8], 2);

  it("shares key/value heads as if each were repeated for its queries", () => {
    const shared = new MultiHeadAttention(8, 4, { key, numKeyValueHeads: 2, kdim: 8 });
    const { q_proj_weight: wq, k_proj_weight: wk, v_proj_weight: wv, ...rest } = shared.stateDict();
    expect([wq.shape, wk.shape, rest.in_proj_bias.shape]).toEqual([[8, 8], [4, 8], [16]]);
    const whole = new MultiHeadAttention(8, 4, { key });
    const twice = (w: Tensor) =>
      concat(
        [0, 0, 1, 1].map((h) => slice(w, 0, 2 * h, 2 * h + 2)),
        0,
      );
    whole.loadStateDict({
      in_proj_weight: concat([wq, twice(wk), twice(wv)], 0),
      in_proj_bias: full([24], 0),
      "out_proj.weight": rest["out_proj.weight"],
      "out_proj.bias": rest["out_proj.bias"],
    });
    expectClose(shared.forward(x, y), whole.forward(x, y), 1e-6);
    expectClose(shared.forward(x), whole.forward(x), 1e-6);
    expectModuleGradient(new MultiHeadAttention(4, 2, { key, numKeyValueHeads: 1 }), (module, a) => module.forward(a), [[1, 3, 4]]);
  });

  it("turns queries and keys by where they stand: what it gives depends on distances alone", () => {
    const module = new MultiHeadAttention(8, 2, { key, rotation: rope });
    const at = (queryOffset: number) => module.forward(x, y, y, { queryOffset });
    expect(at(0).toArray()).not.toEqual(at(3).toArray());
    expectClose(module.forward(x, y), at(S - L));
    expectClose(slice(module.forward(x, y, y, { queryOffset: Int32Array.of(1, 4) }), 0, 1, 2), slice(at(4), 0, 1, 2), 1e-6);
    // All positions moved alike.
    const moved = new MultiHeadAttention(8, 2, {
      key,
      rotation: (z, { positions }) => rope(z, { positions: (positions as number) + 100 }),
    });
    expectClose(moved.forward(x, y), module.forward(x, y), 1e-4);
    expectModuleGradient(new MultiHeadAttention(4, 2, { key, rotation: rope }), (layer, a) => layer.forward(a, a, a, { mask: causal() }), [
      [1, 3, 4],
    ]);
  });

  it("learns a temperature per head, from the usual one on", () => {
    const [warm, plain] = [{ temperature: true }, {}].map((options) => new MultiHeadAttention(8, 2, { key, ...options }));
    expect(warm.temperature!.toArray()).toEqual([2, 2]);
    expectClose(warm.forward(x, y), plain.forward(x, y), 1e-6);
    const other = { ...warm.stateDict(), temperature: tensor([1, 4]) };
    warm.loadStateDict(other);
    const { weights } = warm.forward(x, y, y, { returnWeights: true });
    const scores = (scale: number) => plain.forward(x, y, y, { score: scaledDot({ scale }), returnWeights: true }).weights;
    expectClose(slice(weights, 1, 0, 1), slice(scores(1), 1, 0, 1), 1e-6);
    expectClose(slice(weights, 1, 1, 2), slice(scores(1 / 4), 1, 1, 2), 1e-6);
    expectModuleGradient(new MultiHeadAttention(4, 2, { key, temperature: true }), (module, a) => module.forward(a), [[1, 3, 4]]);
    expect(() => warm.forward(x, y, y, { score: scaledDot() })).toThrow("a learned temperature is of the module's own score");
  });

  /** Ranges that touch the end, that do not, two of them, tiles; and boolean tensors of any rank. */
  const masks: Readonly<Record<string, DrawableMask | Tensor | undefined>> = {
    none: undefined,
    causal: causal(),
    "causal or padding": or(and(causal(), window(1, 0)), padding([2, 4])),
    "two ranges": not(fromTensor(tensor([[false, true, true, false, true]]))),
    "two ranges that reach the end": fromTensor(tensor([[true, false, false, true, true]])),
    "three ranges": fromTensor(tensor([[true, false, true, false, true]])),
    "a tensor": tensor([[[true], [false], [true]]]),
    "an empty row": fromTensor(
      tensor([
        [true, true, true, true, true],
        [false, false, false, false, false],
        [true, false, true, false, false],
      ]),
    ),
  };
  const biases = {
    none: undefined,
    alibi: alibi({ numHeads: 2 }),
    tensors: [randomTensor([S], 3), alibi({ numHeads: 2 }), randomTensor([L, 1], 4)],
  };

  it.each(Object.keys(masks).flatMap((mask) => Object.keys(biases).map((bias) => [mask, bias] as const)))(
    "adds keys behind, which no mask closes and no bias moves: mask %s, bias %s",
    (maskName, biasName) => {
      const module = new MultiHeadAttention(8, 2, { key, addBiasKv: true, addZeroAttn: true });
      const [mask, bias] = [masks[maskName], biases[biasName as keyof typeof biases]];
      const options = { ...(mask === undefined ? {} : { mask }), ...(bias === undefined ? {} : { bias }) };
      const { output, weights } = module.forward(x, y, y, { ...options, returnWeights: true });
      expect(weights.shape).toEqual([B, 2, L, S + 2]);
      // By the parts: the keys given, and the two that were added, merged by lse.
      const plain = new MultiHeadAttention(8, 2, { key });
      const { bias_k: bk, bias_v: bv, ...rest } = module.stateDict();
      plain.loadStateDict(rest);
      const heads = (z: Tensor, i: number) =>
        transpose(reshape(linear(z, slice(rest.in_proj_weight, 0, 8 * i, 8 * i + 8)), [B, z.shape[1], 2, 4]), 1, 2);
      const [q, k, v] = [heads(x, 0), heads(y, 1), heads(y, 2)];
      const added = (z: Tensor) => concat([broadcastTo(reshape(z, [1, 2, 1, 4]), [B, 2, 1, 4]), zeros([B, 2, 1, 4])], 2);
      const parts = [
        attention(q, k, v, { ...options, queryOffset: S - L, returns: ["lse"] }),
        attention(q, added(bk), added(bv), { returns: ["lse"] }),
      ];
      const merged = mergeByLse(parts);
      expectClose(output, module.out_proj.forward(reshape(transpose(merged.output, 1, 2), [B, L, 8])), 1e-5);
      expectClose(sum(weights, -1), full([B, 2, L], 1), 1e-6);
      // Streamed as with all weights at once, and row by row.
      expectClose(module.forward(x, y, y, options), output, 1e-6);
      expectClose(
        module.weightsOf(x, y, { ...options, batch: 1, head: 1, queries: [1, 3] }),
        slice(reshape(slice(slice(weights, 0, 1, 2), 1, 1, 2), [L, S + 2]), 0, 1, 3),
        1e-6,
      );
    },
  );

  it("gives rows of weights on demand, rotated too", () => {
    const module = new MultiHeadAttention(8, 2, { key, rotation: rope, numKeyValueHeads: 1 });
    const { weights } = module.forward(x, x, x, { mask: causal(), returnWeights: true });
    expectClose(
      module.weightsOf(x, x, { mask: causal(), batch: 1, head: 1 }),
      reshape(slice(slice(weights, 0, 1, 2), 1, 1, 2), [L, L]),
      1e-6,
    );
    expectClose(
      module.weightsOf(x),
      reshape(module.forward(x, x, x, { returnWeights: true }).weights.slice(0, 0, 1).slice(1, 0, 1), [L, L]),
      1e-6,
    );
  });

  it("has the gradients of its central differences with keys added", () => {
    const module = new MultiHeadAttention(4, 2, { key, addBiasKv: true, addZeroAttn: true });
    expectModuleGradient(module, (layer, a) => layer.forward(a, a, a, { mask: causal() }), [[1, 3, 4]]);
  });
});
