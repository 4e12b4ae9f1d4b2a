import { describe, expect, it } from "vitest";
import { concat, full, randomKey, reshape, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, expectGolden, loadGolden, randomTensor } from "@heed/tensor/testing";
import { and, causal, fromTensor, padding, type DrawableMask } from "@heed/masks";
import { functionalCall, predict, training } from "@heed/nn";
import { expectModuleGradient } from "@heed/nn/testing";
import { TransformerEncoder, TransformerEncoderLayer } from "./index.ts";

const key = randomKey(7);

interface GoldenOptions {
  readonly d_model: number;
  readonly nhead: number;
  readonly dim_feedforward: number;
  readonly activation: "relu" | "gelu";
  readonly norm_first: boolean;
  readonly layer_norm_eps?: number;
  readonly num_layers: number;
  readonly final_norm: boolean;
}
const built = ({
  dim_feedforward: feedForwardDim,
  activation,
  norm_first: normFirst,
  layer_norm_eps: layerNormEps = 1e-5,
}: GoldenOptions) => ({ key, feedForwardDim, activation, normFirst, layerNormEps });

function maskOf({ attn_mask: attnMask, key_mask: keyMask }: Readonly<Record<string, Tensor>>): DrawableMask {
  const masks: DrawableMask[] = [];
  if (attnMask !== undefined) masks.push(fromTensor(attnMask));
  if (keyMask !== undefined) masks.push(fromTensor(reshape(keyMask, [keyMask.shape[0], 1, 1, keyMask.shape[1]])));
  return and(...masks);
}

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("attention", { op: "encoder_layer" }))("a layer agrees with $source on $name, under PyTorch's names", (golden) =>
    use(() => {
      const options = golden.options as unknown as GoldenOptions;
      const layer = new TransformerEncoderLayer(options.d_model, options.nhead, built(options));
      expect(Object.keys(layer.stateDict()).sort()).toEqual(Object.keys(golden.params).sort());
      expectGolden(golden, ({ inputs, params }) =>
        functionalCall(layer, params, () => ({ y: layer.forward(inputs.x, { mask: maskOf(inputs) }) })),
      );
    }),
  );

  it.each(loadGolden("attention", { op: "encoder" }))("a stack agrees with $source on $name, under PyTorch's names", (golden) =>
    use(() => {
      const options = golden.options as unknown as GoldenOptions;
      const { num_layers: numLayers, final_norm: finalNorm } = options;
      const encoder = new TransformerEncoder(options.d_model, options.nhead, { ...built(options), numLayers, finalNorm });
      expect(Object.keys(encoder.stateDict()).sort()).toEqual(Object.keys(golden.params).sort());
      expectGolden(golden, ({ inputs, params }) =>
        functionalCall(encoder, params, () => ({ y: encoder.forward(inputs.x, { mask: maskOf(inputs) }) })),
      );
    }),
  );
});

describe("TransformerEncoder", () => {
  const make = (options = {}) => new TransformerEncoder(4, 2, { key, numLayers: 2, feedForwardDim: 6, activation: "gelu", ...options });

  it("has the gradients of its central differences: post-norm and pre-norm, masked, in training", () => {
    expectModuleGradient(make({ numLayers: 1 }), (encoder, x) => encoder.forward(x, { mask: causal() }), [[2, 3, 4]]);
    expectModuleGradient(make({ numLayers: 1, normFirst: true, dropoutP: 0.2 }), (encoder, x) => training(key, () => encoder.forward(x)), [
      [1, 3, 4],
    ]);
  });

  it("ends with a norm where asked, and by default where norms come first", () => {
    expect([
      make().norm,
      make({ normFirst: true }).norm === null,
      make({ finalNorm: true }).norm === null,
      make({ normFirst: true, finalNorm: false }).norm,
    ]).toEqual([null, false, false, null]);
    const x = randomTensor([1, 3, 4]);
    expectClose(make({ numLayers: 0 }).forward(x), x);
  });

  it("draws other parameters for each layer, the same from the same key", () => {
    const [first, second] = make().layers.map((layer) => layer.linear1.weight.toArray());
    expect(first).not.toEqual(second);
    expect(make().layers[1].linear1.weight.toArray()).toEqual(second);
  });

  it("hears nothing of padding, be it NaN, and treats samples alone", () => {
    const encoder = make();
    const x = randomTensor([2, 5, 4], 1);
    const mask = padding([3, 5]);
    const clean = encoder.forward(x, { mask });
    const dirty = encoder.forward(concat([concat([x.slice(0, 0, 1).slice(1, 0, 3), full([1, 2, 4], NaN)], 1), x.slice(0, 1, 2)], 0), {
      mask,
    });
    const real = (y: Tensor) => [y.slice(0, 0, 1).slice(1, 0, 3).toArray(), y.slice(0, 1, 2).toArray()];
    expect(real(dirty)).toEqual(real(clean));
    expectClose(encoder.forward(x.slice(0, 0, 1).slice(1, 0, 3)), clean.slice(0, 0, 1).slice(1, 0, 3), 1e-5);
  });

  it("drops in training only, and replays", () => {
    const encoder = make({ dropoutP: 0.3 });
    encoder.parameters();
    const x = randomTensor([2, 5, 4], 1);
    const run = (step: number) => training(key.split(step), () => encoder.forward(x)).toArray();
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
    expectClose(predict(encoder, x), encoder.forward(x));
    expect(predict(encoder, x).toArray()).not.toEqual(run(1));
  });

  it("says what is wrong", () => {
    expect(() => make({ numLayers: 1.5 })).toThrow("TransformerEncoder: numLayers must be a whole number, at least 0; got numLayers 1.5");
    expect(() => new TransformerEncoderLayer(4, 3, { key })).toThrow(
      "MultiHeadAttention: embedDim must be a positive multiple of numHeads; got embedDim 4, numHeads 3",
    );
    expect(() => new TransformerEncoderLayer(4, 2, { key, activation: "silu" as "gelu" })).toThrow(
      'TransformerEncoderLayer: activation is relu or gelu; got activation "silu"',
    );
    expect(() => make({ dropoutP: 1 })).toThrow("dropoutP must be in [0, 1)");
    expect(() => make().forward(randomTensor([5, 4]))).toThrow("query must be [B, length, 4]; got query [5, 4]. Add the batch");
  });
});
