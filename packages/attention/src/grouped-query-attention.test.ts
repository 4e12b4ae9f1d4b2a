import { describe, expect, it } from "vitest";
import { concat, randomKey } from "@heed/tensor";
import { eachBackend, expectClose, expectGolden, loadGolden, randomTensor } from "@heed/tensor/testing";
import { and, causal, padding, type DrawableMask } from "@heed/masks";
import { functionalCall } from "@heed/nn";
import { expectModuleGradient } from "@heed/nn/testing";
import { rope } from "@heed/positional";
import { GroupedQueryAttention, MultiHeadAttention, type Rotation } from "./index.ts";

const key = randomKey(7);

interface GoldenOptions {
  readonly num_heads: number;
  readonly num_kv_heads: number;
  readonly head_dim: number;
  readonly causal: boolean;
  readonly bias: boolean;
  readonly rope: { readonly style: "half_split" | "interleaved"; readonly base: number } | null;
}

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("attention", { op: "grouped_query_attention" }))("agrees with $source on $name, under Llama's names", (golden) =>
    use(() => {
      const options = golden.options as unknown as GoldenOptions;
      const { num_heads: numHeads, num_kv_heads: numKeyValueHeads, head_dim: headDim, bias, rope: turns } = options;
      const rotation: Rotation = (x, at) =>
        rope(x, { ...at, style: turns!.style === "half_split" ? "halfSplit" : "interleaved", base: turns!.base });
      const module = new GroupedQueryAttention(golden.inputs.x.shape[2], numHeads, {
        key,
        numKeyValueHeads,
        headDim,
        bias,
        rotation: turns === null ? undefined : rotation,
      });
      expect(Object.keys(module.stateDict()).sort()).toEqual(Object.keys(golden.params).sort());
      expectGolden(golden, ({ inputs: { x, lengths }, params }) => {
        const masks: DrawableMask[] = [];
        if (options.causal) masks.push(causal());
        if (lengths !== undefined) masks.push(padding(lengths.toTypedArray()));
        return functionalCall(module, params, () => ({ y: module.forward(x, x, x, { mask: and(...masks) }) }));
      });
    }),
  );
});

describe("GroupedQueryAttention", () => {
  it("is multi-head attention by other names where each head has its own key", () => {
    const grouped = new GroupedQueryAttention(8, 2, { key, numKeyValueHeads: 2 });
    const plain = new MultiHeadAttention(8, 2, { key, bias: false });
    const { "q_proj.weight": q, "k_proj.weight": k, "v_proj.weight": v, "o_proj.weight": o } = grouped.stateDict();
    plain.loadStateDict({ in_proj_weight: concat([q, k, v], 0), "out_proj.weight": o });
    const [x, y] = [randomTensor([2, 3, 8], 1), randomTensor([2, 5, 8], 2)];
    expectClose(grouped.forward(x, y), plain.forward(x, y), 1e-6);
    expectClose(grouped.weightsOf(x, y, { head: 1 }), plain.weightsOf(x, y, { head: 1 }), 1e-6);
  });

  it("has the gradients of its central differences, heads wider than their share too", () => {
    const module = new GroupedQueryAttention(3, 2, { key, numKeyValueHeads: 1, headDim: 2, rotation: rope });
    expectModuleGradient(module, (layer, x) => layer.forward(x, x, x, { mask: causal() }), [[1, 3, 3]]);
  });

  it("says what is wrong", () => {
    const make = (embedDim: number, numHeads: number, options: { numKeyValueHeads: number; headDim?: number; dropoutP?: number }) => () =>
      new GroupedQueryAttention(embedDim, numHeads, { key, ...options });
    expect(make(8, 4, { numKeyValueHeads: 3 })).toThrow("GroupedQueryAttention: numHeads must be a multiple of numKeyValueHeads");
    expect(make(10, 4, { numKeyValueHeads: 2 })).toThrow("headDim must be a whole number, at least 1; got headDim 2.5");
    expect(make(8, 4, { numKeyValueHeads: 2, dropoutP: 1 })).toThrow("dropoutP must be in [0, 1)");
    const module = make(8, 4, { numKeyValueHeads: 2 })();
    expect(() => module.forward(randomTensor([3, 8]))).toThrow(
      "GroupedQueryAttention: query must be [B, length, 8]; got query [3, 8]. Add the batch",
    );
  });
});
