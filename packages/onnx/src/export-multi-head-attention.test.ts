import { MultiHeadAttention, type MultiHeadCallOptions } from "@heed/attention";
import { and, causal, fromTensor } from "@heed/masks";
import { Linear } from "@heed/nn";
import { randomKey, tensor, UnsupportedError, type Tensor } from "@heed/tensor";
import { expectClose, randomTensor } from "@heed/tensor/testing";
import { describe, expect, it } from "vitest";
import { decodeModel } from "../test/decode-model.ts";
import { loadRuntime, runInRuntime } from "../test/onnx-runtime.ts";
import { runModel } from "../test/run-model.ts";
import { exportMultiHeadAttention } from "./export-multi-head-attention.ts";
import type { ExportOptions } from "./options.ts";

const [B, L, S, width, heads] = [2, 5, 7, 12, 3];
const runtime = await loadRuntime();

/** Biases start at zero, which would hide a forgotten one. */
function layer(options: { bias?: boolean; kdim?: number; vdim?: number; dropoutP?: number } = {}): MultiHeadAttention {
  const module = new MultiHeadAttention(width, heads, { key: randomKey(7), ...options });
  module.loadStateDict(
    Object.fromEntries(
      Object.entries(module.stateDict()).map(([name, { shape }], i) => [name, randomTensor(shape, i, { low: -0.5, high: 0.5 })]),
    ),
  );
  return module;
}

interface Case {
  name: string;
  module: MultiHeadAttention;
  options: Omit<ExportOptions, "opset">;
  mask?: Tensor;
  widths?: [number, number];
}

const mask = tensor([1, 0, 0, 1, 1, 0, 1, /* nothing: */ 0, 0, 0, 0, 0, 0, 0], { shape: [B, 1, 1, S], dtype: "bool" });
const cases: Case[] = [
  { name: "joint weights", module: layer(), options: {} },
  { name: "no biases", module: layer({ bias: false }), options: {} },
  { name: "keys and values of other widths", module: layer({ kdim: 7, vdim: 11 }), options: {}, widths: [7, 11] },
  { name: "causal", module: layer(), options: { causal: true } },
  { name: "causal from the top left", module: layer(), options: { causal: true, queryOffset: 0 } },
  { name: "causal and a mask that leaves a sample nothing", module: layer(), options: { causal: true, mask: true }, mask },
  { name: "softcap, and dropout that only trains", module: layer({ dropoutP: 0.5 }), options: { softcap: 0.5, mask: true }, mask },
];

function prepare({ module, options, mask, widths: [kdim, vdim] = [width, width] }: Case): {
  inputs: Record<string, Tensor>;
  expected: Tensor;
} {
  const [query, key, value] = [randomTensor([B, L, width], 1), randomTensor([B, S, kdim], 2), randomTensor([B, S, vdim], 3)];
  const masks = [options.causal === true ? [causal()] : [], mask === undefined ? [] : [fromTensor(mask)]].flat();
  const { queryOffset, softcap } = options;
  const call: MultiHeadCallOptions & { returnWeights?: false } = {
    queryOffset,
    softcap,
    mask: masks.length > 0 ? and(...masks) : undefined,
  };
  return { inputs: { query, key, value, ...(mask && { mask }) }, expected: module.forward(query, key, value, call) };
}

// Projected values stay within √12, scores within ±20: a score is off by (D + 2 · 12) · ε · 20 = 3e-5 at the very worst, typically by √ of the
// terms, 2e-6; outputs of size 1 follow it.
const tolerance = 1e-5;

describe.each([17, 23] as const)("opset %i", (opset) => {
  it.each(cases)("means what forward means: $name", (each) => {
    const { inputs, expected } = prepare(each);
    expectClose(runModel(decodeModel(exportMultiHeadAttention(each.module, { opset, ...each.options })), inputs), expected, tolerance);
  });

  it.skipIf(runtime === undefined).each(cases)(
    "agrees in ONNX Runtime (skipped unless ONNXRUNTIME names its folder): $name",
    async (each) => {
      const { inputs, expected } = prepare(each);
      expectClose(
        await runInRuntime(runtime!, exportMultiHeadAttention(each.module, { opset, ...each.options }), inputs),
        expected,
        tolerance,
      );
    },
  );

  it.each([{}, { kdim: 7, vdim: 11 }, { bias: false }])("holds the state dict under its own names: %o", (options) => {
    const module = layer(options);
    const { initializers } = decodeModel(exportMultiHeadAttention(module, { opset }));
    for (const [name, x] of Object.entries(module.stateDict())) {
      expect(initializers[name]).toEqual({ type: "float32", dims: [...x.shape], values: Array.from(x.toTypedArray()) });
    }
  });

  it("gives the same bytes for the same module", () => {
    const options = { opset, causal: true, mask: true };
    expect(exportMultiHeadAttention(layer(), options)).toEqual(exportMultiHeadAttention(layer(), options));
  });

  it("declares the widths of key and value", () => {
    const { inputs, outputs } = decodeModel(exportMultiHeadAttention(layer({ kdim: 7, vdim: 11 }), { opset }));
    expect(inputs.map(({ name, dims }) => [name, ...dims])).toEqual([
      ["query", "batch", "query_length", 12],
      ["key", "batch", "key_length", 7],
      ["value", "batch", "key_length", 11],
    ]);
    expect(outputs.map(({ name, dims }) => [name, ...dims])).toEqual([["output", "batch", "query_length", 12]]);
  });
});

it("uses the 3-D form of Attention at opset 23, without transposing heads", () => {
  const { nodes } = decodeModel(exportMultiHeadAttention(layer(), { opset: 23 }));
  expect(nodes.find(({ opType }) => opType === "Attention")!.attributes).toEqual({ q_num_heads: 3, kv_num_heads: 3 });
  expect(nodes.map(({ opType }) => opType)).not.toContain("Reshape");
});

it("refuses another module, and names it", () => {
  const linear = new Linear(2, 2, { key: randomKey(1) }) as unknown as MultiHeadAttention;
  expect(() => exportMultiHeadAttention(linear, { opset: 17 })).toThrow(UnsupportedError);
  expect(() => exportMultiHeadAttention(linear, { opset: 17 })).toThrow('module must be a MultiHeadAttention; got module "Linear"');
  for (const options of [
    { numKeyValueHeads: 1 },
    { rotation: (x: Tensor) => x },
    { addBiasKv: true },
    { addZeroAttn: true },
    { temperature: true },
  ]) {
    const module = new MultiHeadAttention(width, heads, { key: randomKey(7), ...options });
    expect(() => exportMultiHeadAttention(module, { opset: 17 })).toThrow("shared key/value heads, rotation, added keys or temperature");
  }
  expect(() => exportMultiHeadAttention(layer(), { opset: 23, queryOffset: 1 })).toThrow(
    "exportMultiHeadAttention: only causal reads queryOffset",
  );
});
