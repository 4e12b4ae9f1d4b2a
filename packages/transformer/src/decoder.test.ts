import { afterEach, describe, expect, it } from "vitest";
import { concat, memory, noGrad, randomKey, reshape, slice, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, expectGolden, loadGolden, randomTensor } from "@heed/tensor/testing";
import { and, causal, fromTensor, padding, type DrawableMask } from "@heed/masks";
import { functionalCall, training } from "@heed/nn";
import { expectModuleGradient } from "@heed/nn/testing";
import { rope } from "@heed/positional";
import { DecodingCache, Transformer, TransformerDecoder, TransformerDecoderLayer } from "./index.ts";

const key = randomKey(7);

interface GoldenOptions {
  readonly d_model: number;
  readonly nhead: number;
  readonly dim_feedforward: number;
  readonly activation: "relu" | "gelu";
  readonly norm_first: boolean;
  readonly layer_norm_eps?: number;
  readonly num_encoder_layers: number;
  readonly num_decoder_layers: number;
}
const built = (options: GoldenOptions) => ({
  key,
  feedForwardDim: options.dim_feedforward,
  activation: options.activation,
  normFirst: options.norm_first,
  layerNormEps: options.layer_norm_eps ?? 1e-5,
});
const keysOf = (keep: Tensor | undefined): DrawableMask[] =>
  keep === undefined ? [] : [fromTensor(reshape(keep, [keep.shape[0], 1, 1, keep.shape[1]]))];

afterEach(() => {
  expect(memory().liveBytes, "live bytes after the test").toBe(0);
});

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("attention", { op: "decoder_layer" }))("a layer agrees with $source on $name, under PyTorch's names", (golden) =>
    use(() => {
      const options = golden.options as unknown as GoldenOptions;
      const layer = new TransformerDecoderLayer(options.d_model, options.nhead, built(options));
      expect(Object.keys(layer.stateDict()).sort()).toEqual(Object.keys(golden.params).sort());
      expectGolden(golden, ({ inputs, params }) =>
        functionalCall(layer, params, () => {
          const mask = and(fromTensor(inputs.attn_mask), ...keysOf(inputs.key_mask));
          return { y: layer.forward(inputs.x, inputs.memory, { mask, memoryMask: and(...keysOf(inputs.memory_key_mask)) }) };
        }),
      );
    }),
  );

  it.each(loadGolden("attention", { op: "transformer" }))(
    "an encoder-decoder agrees with $source on $name, under PyTorch's names",
    (golden) =>
      use(() => {
        const options = golden.options as unknown as GoldenOptions;
        const { num_encoder_layers: numEncoderLayers, num_decoder_layers: numDecoderLayers } = options;
        const model = new Transformer(options.d_model, options.nhead, { ...built(options), numEncoderLayers, numDecoderLayers });
        expect(Object.keys(model.stateDict()).sort()).toEqual(Object.keys(golden.params).sort());
        expectGolden(golden, ({ inputs, params }) =>
          functionalCall(model, params, () => {
            const source = and(...keysOf(inputs.src_key_mask));
            const mask = and(causal(), ...keysOf(inputs.tgt_key_mask));
            return {
              memory: noGrad(() => model.encoder.forward(inputs.src, { mask: source })),
              y: model.forward(inputs.src, inputs.tgt, { mask, sourceMask: source, memoryMask: source }),
            };
          }),
        );
      }),
  );

  it.each([false, true])("steps from a cache are the whole pass, pre-norm %s, rotated, with a memory of different lengths", (normFirst) =>
    use(() => {
      const options = { key, numLayers: 2, feedForwardDim: 10, normFirst, numKeyValueHeads: 1, rotation: rope };
      const decoder = new TransformerDecoder(8, 2, options);
      const [x, said] = [randomTensor([2, 9, 8], 1), randomTensor([2, 5, 8], 2)];
      const lengths = [5, 3];
      const whole = decoder.forward(x, said, { mask: causal(), memoryMask: padding(lengths) });
      const cache = new DecodingCache({ capacity: 2 });
      noGrad(() => {
        const call = { mask: causal(), cache, memoryLengths: lengths };
        const first = decoder.forward(slice(x, 1, 0, 4), said, call);
        const others = [4, 5, 6, 7, 8].map((at) => decoder.forward(slice(x, 1, at, at + 1), undefined, call));
        // Two layers of sums of up to 10 terms around 1, three norms each.
        expectClose(concat([first, ...others], 1), whole, 256 * 2 ** -24);
        expect([cache.length, cache.position, cache.cross(1).length]).toEqual([9, 9, 5]);
      });
      cache.release();
      cache.release();
    }),
  );
});

describe("TransformerDecoder", () => {
  const make = (options = {}) => new TransformerDecoder(4, 2, { key, numLayers: 1, feedForwardDim: 3, activation: "gelu", ...options });

  // Few numbers: each is moved twice. The golden cases have the gradients of more.
  const shapes = [
    [1, 2, 4],
    [1, 2, 4],
  ];
  it("has the gradients of its central differences: post-norm, masked", () => {
    expectModuleGradient(make(), (decoder, x, said) => decoder.forward(x, said, { mask: causal(), memoryMask: padding([1]) }), shapes);
  });

  it("has the gradients of its central differences: pre-norm, rotated, in training", () => {
    expectModuleGradient(
      make({ normFirst: true, dropoutP: 0.2, rotation: rope }),
      (decoder, x, said) => training(key, () => decoder.forward(x, said)),
      shapes,
    );
  });

  it("draws other parameters for each layer, and each part of it", () => {
    const [first, second] = make({ numLayers: 2 }).layers;
    expect(first.linear1.weight.toArray()).not.toEqual(second.linear1.weight.toArray());
    expect(first.self_attn.in_proj_weight!.toArray()).not.toEqual(first.multihead_attn.in_proj_weight!.toArray());
  });

  it("says what is wrong", () => {
    const x = randomTensor([1, 2, 4]);
    expect(() => make({ numLayers: -1 })).toThrow("TransformerDecoder: numLayers must be a whole number, at least 0; got numLayers -1");
    expect(() => make({ activation: "silu" })).toThrow('TransformerDecoderLayer: activation is relu or gelu; got activation "silu"');
    expect(() => make().forward(x, undefined)).toThrow(
      "TransformerDecoderLayer: there must be a memory to attend to. Pass what the encoder said.",
    );
    expect(() => make().forward(x, x, { memoryLengths: [2] })).toThrow(
      "memoryLengths go with a cache. Padding is a mask: memoryMask: padding(lengths).",
    );
    expect(() => make().forward(x, x, { lengths: [2] })).toThrow(
      "MultiHeadAttention: lengths go with a cache. Padding is a mask: padding(lengths).",
    );
    const cache = new DecodingCache();
    noGrad(() => expect(() => make().forward(x, undefined, { cache })).toThrow("there must be a memory to attend to"));
    cache.release();
  });
});
