import { describe, expect, it } from "vitest";
import { add, concat, full, mul, randomKey, sigmoid, silu, split, tensor, type Tensor } from "@heed/tensor";
import { expectClose, randomTensor } from "@heed/tensor/testing";
import { and, causal, padding, window } from "@heed/masks";
import { predict, training } from "@heed/nn";
import { expectModuleGradient } from "@heed/nn/testing";
import { rope } from "@heed/positional";
import { Conformer, ConformerConvolution, ConformerLayer } from "./index.ts";

const key = randomKey(7);
const [B, L, E, H, K] = [2, 7, 6, 3, 5];
const x = randomTensor([B, L, E], 1);
const layer = new ConformerLayer(E, H, { key, kernelSize: K, feedForwardDim: 11, rotation: rope });

describe("ConformerConvolution", () => {
  const convolution = new ConformerConvolution(E, { key, kernelSize: K });

  it("is what its formula says, frame by frame and tap by tap", () => {
    const { norm1, pointwise1, depthwise, norm2, pointwise2 } = convolution;
    const [content, gate] = split(pointwise1.forward(norm1.forward(x)), E, -1);
    const gated = mul(content, sigmoid(gate)).toArray() as number[][][];
    const [weight, bias] = [depthwise.weight.toArray() as number[][][], depthwise.bias.toArray() as number[]];
    const slid = gated.map((frames) =>
      frames.map((_, t) =>
        bias.map((start, c) =>
          weight[c][0].reduce((sum, tap, k) => {
            const at = t + k - (K - 1) / 2;
            return at < 0 || at >= L ? sum : sum + tap * frames[at][c];
          }, start),
        ),
      ),
    );
    expectClose(convolution.forward(x), pointwise2.forward(silu(norm2.forward(tensor(slid)))), 1e-5);
  });

  it("names its parameters, the filters as a grouped torch.nn.Conv1d does", () => {
    const shapes = Object.entries(convolution.stateDict()).map(([name, { shape }]) => [name, shape]);
    expect(Object.fromEntries(shapes)).toEqual({
      "norm1.weight": [E],
      "norm1.bias": [E],
      "pointwise1.weight": [2 * E, E],
      "pointwise1.bias": [2 * E],
      "depthwise.weight": [E, 1, K],
      "depthwise.bias": [E],
      "norm2.weight": [E],
      "norm2.bias": [E],
      "pointwise2.weight": [E, E],
      "pointwise2.bias": [E],
    });
  });

  it("has the gradients of its central differences, with padding too", () => {
    const small = new ConformerConvolution(3, { key, kernelSize: 3 });
    expectModuleGradient(small, (module, y) => module.forward(y), [[2, 4, 3]]);
    expectModuleGradient(small, (module, y) => module.forward(y, { lengths: [2, 4] }), [[2, 4, 3]]);
  });

  it("says what is wrong", () => {
    expect(() => new ConformerConvolution(E, { key, kernelSize: 4 })).toThrow(
      "ConformerConvolution: kernelSize must be odd, at least 1; got kernelSize 4",
    );
    expect(() => convolution.forward(randomTensor([B, L, 5]))).toThrow("ConformerConvolution: x must be [B, L, 6]; got x [2, 7, 5]");
    for (const lengths of [[3], [3, 8], [3, -1], [3, 2.5]])
      expect(() => convolution.forward(x, { lengths })).toThrow("lengths must be B whole numbers from 0 to L");
    expect(() => new ConformerConvolution(E, { key, dropoutP: 1 })).toThrow("got p 1");
  });
});

describe("ConformerLayer", () => {
  it("keeps the shape, and adds its parts in the order of the paper", () => {
    const { norm_ff1, ff1, norm_attn, self_attn, conv, norm_ff2, ff2, norm } = layer;
    const half = (y: Tensor) => mul(y, 0.5);
    let y = add(x, half(ff1.forward(norm_ff1.forward(x))));
    y = add(y, self_attn.forward(norm_attn.forward(y)));
    y = add(y, conv.forward(y));
    y = norm.forward(add(y, half(ff2.forward(norm_ff2.forward(y)))));
    const output = layer.forward(x);
    expect(output.shape).toEqual([B, L, E]);
    expectClose(output, y, 1e-5);
  });

  it("hears nothing of padding, be it NaN, and a sample alone gives what it gives in a batch", () => {
    const lengths = [4, L];
    const clean = layer.forward(x, { lengths });
    const [first, second] = [x.slice(0, 0, 1), x.slice(0, 1, 2)];
    const dirty = layer.forward(concat([concat([first.slice(1, 0, 4), full([1, 3, E], NaN)], 1), second], 0), { lengths });
    const real = (y: Tensor) => [y.slice(0, 0, 1).slice(1, 0, 4).toArray(), y.slice(0, 1, 2).toArray()];
    expect(real(dirty)).toEqual(real(clean));
    expectClose(layer.forward(first.slice(1, 0, 4)), clean.slice(0, 0, 1).slice(1, 0, 4), 1e-5);
  });

  it("takes a window, a boolean tensor and padding together", () => {
    const lengths = [4, L];
    const whole = layer.forward(x, { lengths });
    expectClose(layer.forward(x, { lengths, mask: window(L, L) }), whole, 1e-6);
    expect(layer.forward(x, { lengths, mask: window(1, 1) }).toArray()).not.toEqual(whole.toArray());
    const open = tensor(new Uint8Array(L * L).fill(1), { shape: [L, L], dtype: "bool" });
    expectClose(layer.forward(x, { lengths, mask: open }), whole, 1e-6);
    const plain = new ConformerLayer(E, H, { key, kernelSize: 1, feedForwardDim: 11, rotation: rope });
    expectClose(
      plain.forward(x, { mask: and(causal(), padding(lengths)) }).slice(1, 0, 4),
      plain.forward(x.slice(1, 0, 4), { mask: causal() }),
      1e-5,
    );
  });

  it("reaches as far as its window and its filter: a frame beyond both changes nothing", () => {
    const narrow = (y: Tensor) => layer.forward(y, { mask: window(1, 1) });
    // Attention brings one frame, then the filter two more.
    const other = concat([x.slice(1, 0, L - 1), randomTensor([B, 1, E], 5)], 1);
    expect(
      narrow(other)
        .slice(1, 0, L - 4)
        .toArray(),
    ).toEqual(
      narrow(x)
        .slice(1, 0, L - 4)
        .toArray(),
    );
    expect(
      narrow(other)
        .slice(1, L - 4, L - 3)
        .toArray(),
    ).not.toEqual(
      narrow(x)
        .slice(1, L - 4, L - 3)
        .toArray(),
    );
  });

  it("has the gradients of its central differences: with positions, masked, and in training", () => {
    const small = (dropoutP: number) => new ConformerLayer(4, 2, { key, kernelSize: 3, feedForwardDim: 3, rotation: rope, dropoutP });
    expectModuleGradient(small(0), (module, y) => module.forward(y, { lengths: [3, 2], mask: window(1, 1) }), [[2, 3, 4]]);
    expectModuleGradient(small(0.2), (module, y) => training(key, () => module.forward(y)), [[1, 3, 4]]);
  });

  it("drops in training only, and replays", () => {
    const dropping = new ConformerLayer(E, H, { key, kernelSize: K, dropoutP: 0.3 });
    dropping.parameters();
    const run = (step: number) => training(key.split(step), () => dropping.forward(x)).toArray();
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
    expectClose(predict(dropping, x), dropping.forward(x));
  });
});

describe("Conformer", () => {
  it("stacks layers, each with parameters of its own, the same from the same key", () => {
    const make = () => new Conformer(E, H, { key, numLayers: 2, kernelSize: K });
    const stack = make();
    const lengths = [4, L];
    expectClose(stack.forward(x, { lengths }), stack.layers[1].forward(stack.layers[0].forward(x, { lengths }), { lengths }));
    const [first, second] = stack.layers.map(({ conv }) => conv.depthwise.weight.toArray());
    expect(first).not.toEqual(second);
    expect(make().layers[1].conv.depthwise.weight.toArray()).toEqual(second);
    expectClose(new Conformer(E, H, { key, numLayers: 0 }).forward(x), x);
  });

  it("says what is wrong", () => {
    const make = (numLayers: number) => new Conformer(E, H, { key, numLayers });
    expect(() => make(-1)).toThrow("Conformer: numLayers must be a whole number, at least 0; got numLayers -1");
    expect(() => new ConformerLayer(E, 4, { key })).toThrow("embedDim must be a positive multiple of numHeads");
    expect(() => make(1).forward(randomTensor([L, E]))).toThrow("query must be [B, length, 6]");
  });
});
