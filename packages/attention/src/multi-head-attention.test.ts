import { describe, expect, it } from "vitest";
import { add, concat, linear, matmul, mean, mul, randomKey, reshape, slice, softmax, tensor, transpose, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, expectGolden, loadGolden, randomTensor } from "@heed/tensor/testing";
import { Adam, functionalCall, Linear, Module, predict, training } from "@heed/nn";
import { expectModuleGradient } from "@heed/nn/testing";
import { and, causal, fromTensor, type DrawableMask } from "@heed/masks";
import { MultiHeadAttention } from "./index.ts";

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
