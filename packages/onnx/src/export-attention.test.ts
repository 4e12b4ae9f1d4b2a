import { attention, type AttentionOptions } from "@heed/attention";
import { and, causal, fromTensor } from "@heed/masks";
import { scaledDot } from "@heed/scoring";
import { ShapeError, tensor, UnsupportedError, type Tensor } from "@heed/tensor";
import { expectClose, randomTensor } from "@heed/tensor/testing";
import { describe, expect, it } from "vitest";
import { decodeModel } from "../test/decode-model.ts";
import { loadRuntime, runInRuntime } from "../test/onnx-runtime.ts";
import { runModel } from "../test/run-model.ts";
import { exportAttention, type ExportAttentionOptions } from "./export-attention.ts";

type Options = Omit<ExportAttentionOptions, "opset" | "numHeads">;

const [B, H, D, E] = [2, 6, 3, 11];
const runtime = await loadRuntime();

interface Case {
  name: string;
  L?: number;
  S?: number;
  options: Options;
  /** Given with `mask: true`. */
  mask?: Tensor;
}

const bools = (...shape: number[]) => randomTensor(shape, 9, { dtype: "bool" });
const padding = tensor([1, 1, 1, 1, 0, 0, 0, /* */ 1, 1, 1, 1, 1, 1, 0], { shape: [B, 1, 1, 7], dtype: "bool" });
/** The second sample may attend to nothing. */
const nothing = tensor([1, 1, 0, 1, 1, 0, 1, /* */ 0, 0, 0, 0, 0, 0, 0], { shape: [B, 1, 1, 7], dtype: "bool" });

const cases: Case[] = [
  { name: "default options", options: {} },
  { name: "grouped heads", options: { kvNumHeads: 2 } },
  { name: "one key head", options: { kvNumHeads: 1 } },
  { name: "causal, fewer queries than keys", options: { causal: true } },
  { name: "causal, more queries than keys: empty rows", L: 7, S: 5, options: { causal: true } },
  { name: "causal, as many", L: 5, S: 5, options: { causal: true } },
  { name: "causal from the top left", options: { causal: true, queryOffset: 0 } },
  { name: "causal from the top left, more queries than keys", L: 7, S: 5, options: { causal: true, queryOffset: 0 } },
  { name: "causal behind 3 cached keys", options: { causal: true, queryOffset: 3 } },
  { name: "causal 2 before the first key: empty rows", options: { causal: true, queryOffset: -2 } },
  { name: "a mask of full size", options: { mask: true }, mask: bools(B, H, 5, 7) },
  { name: "padding", options: { mask: true }, mask: padding },
  { name: "a mask that leaves a sample nothing", options: { mask: true }, mask: nothing },
  { name: "a mask per head", options: { mask: true }, mask: bools(1, H, 1, 7) },
  { name: "causal and padding", options: { mask: true, causal: true }, mask: padding },
  { name: "causal from the top left and padding", options: { mask: true, causal: true, queryOffset: 0 }, mask: padding },
  { name: "another scale", options: { scale: 2.5 } },
  { name: "softcap", options: { softcap: 0.5 } },
  { name: "softcap and causal", options: { softcap: 0.5, causal: true } },
  { name: "all together", options: { kvNumHeads: 3, causal: true, mask: true, scale: 2, softcap: 1.5 }, mask: nothing },
  { name: "one query, one key", L: 1, S: 1, options: { causal: true } },
];

/** Inputs of a case, and what @heed/attention says. The mask is `and` of both kinds. */
function prepare({ L = 5, S = 7, options, mask }: Case): { inputs: Record<string, Tensor>; expected: Tensor } {
  const Hkv = options.kvNumHeads ?? H;
  const query = randomTensor([B, H, L, D], 1);
  const key = randomTensor([B, Hkv, S, D], 2);
  const value = randomTensor([B, Hkv, S, E], 3);
  const { queryOffset, scale, softcap } = options;
  const masks = [options.causal === true ? [causal()] : [], mask === undefined ? [] : [fromTensor(mask)]].flat();
  const all: AttentionOptions = { queryOffset, softcap, score: scaledDot({ scale }), mask: masks.length > 0 ? and(...masks) : undefined };
  return { inputs: { query, key, value, ...(mask && { mask }) }, expected: attention(query, key, value, all) };
}

// Values lie in ±1, scores in ±7.5: a score is off by (D + 2) · ε · 7.5 = 5e-6 at most, a weight relatively by twice that, mostly far less.
const tolerance = 1e-5;

describe.each([17, 23] as const)("opset %i", (opset) => {
  it.each(cases)("means what attention means: $name", (each) => {
    const { inputs, expected } = prepare(each);
    const model = decodeModel(exportAttention({ opset, numHeads: H, ...each.options }));
    expectClose(runModel(model, inputs), expected, tolerance);
  });

  it.skipIf(runtime === undefined).each(cases)(
    "agrees in ONNX Runtime (skipped unless ONNXRUNTIME names its folder): $name",
    async (each) => {
      const { inputs, expected } = prepare(each);
      expectClose(await runInRuntime(runtime!, exportAttention({ opset, numHeads: H, ...each.options }), inputs), expected, tolerance);
    },
  );

  it("declares symbolic sizes but for the heads", () => {
    const { inputs, outputs } = decodeModel(exportAttention({ opset, numHeads: 6, kvNumHeads: 2, mask: true }));
    expect(inputs).toEqual([
      { name: "query", type: "float32", dims: ["batch", 6, "query_length", "head_dim"] },
      { name: "key", type: "float32", dims: ["batch", 2, "key_length", "head_dim"] },
      { name: "value", type: "float32", dims: ["batch", 2, "key_length", "value_dim"] },
      { name: "mask", type: "bool", dims: ["mask_batch", "mask_heads", "mask_queries", "key_length"] },
    ]);
    expect(outputs).toEqual([{ name: "output", type: "float32", dims: ["batch", 6, "query_length", "value_dim"] }]);
  });

  it("gives the same bytes for the same options", () => {
    const options = { opset, numHeads: 8, kvNumHeads: 2, causal: true, mask: true, softcap: 30 };
    expect(exportAttention(options)).toEqual(exportAttention(options));
  });

  it("names each value once, before it is used, and leaves none unused", () => {
    for (const { options } of cases) {
      const { nodes, inputs, initializers } = decodeModel(exportAttention({ opset, numHeads: H, ...options }));
      const known = new Set([...inputs.map(({ name }) => name), ...Object.keys(initializers)]);
      const used = new Set(["output"]);
      for (const node of nodes) {
        for (const name of node.inputs) {
          expect(known).toContain(name);
          used.add(name);
        }
        for (const name of node.outputs) {
          expect(known).not.toContain(name);
          known.add(name);
        }
      }
      expect([...known].filter((name) => !used.has(name))).toEqual([]);
    }
  });
});

const operators = (options: ExportAttentionOptions) => decodeModel(exportAttention(options)).nodes.map(({ opType }) => opType);

it("is one Attention node at opset 23, whose attributes say only what was asked", () => {
  const model = decodeModel(exportAttention({ opset: 23, numHeads: 4, kvNumHeads: 2 }));
  expect(model.opsets).toEqual([{ domain: "", version: 23 }]);
  expect(model.irVersion).toBe(11);
  expect(model.initializers).toEqual({});
  expect(model.nodes).toEqual([
    { name: "output", opType: "Attention", inputs: ["query", "key", "value"], outputs: ["output"], attributes: {} },
  ]);
});

it("stays one node with a scale, a softcap and the triangle from the top left", () => {
  const { nodes } = decodeModel(exportAttention({ opset: 23, numHeads: 4, causal: true, queryOffset: 0, scale: 0.25, softcap: 50 }));
  expect(nodes).toHaveLength(1);
  expect(nodes[0].attributes).toEqual({ is_causal: 1, scale: 0.25, softcap: 50 });
});

it("expands a given mask to [.., L, S] for the node, since runtimes refuse one that repeats over queries", () => {
  const { nodes } = decodeModel(exportAttention({ opset: 23, numHeads: 4, mask: true }));
  expect(nodes.map(({ opType }) => opType)).toEqual(["Shape", "Shape", "Concat", "Expand", "Attention"]);
  expect(nodes[3].inputs).toEqual(["mask", "mask.size"]);
  expect(nodes[4].inputs).toEqual(["query", "key", "value", "mask.expanded"]);
});

it("computes the mask of another queryOffset, since is_causal means the top left", () => {
  const { nodes } = decodeModel(exportAttention({ opset: 23, numHeads: 4, causal: true }));
  expect(nodes.filter(({ opType }) => opType === "Attention")).toEqual([
    { name: "output", opType: "Attention", inputs: ["query", "key", "value", "causal"], outputs: ["output"], attributes: {} },
  ]);
  expect(nodes.find(({ outputs }) => outputs[0] === "query_offset")).toMatchObject({
    opType: "Sub",
    inputs: ["key_length", "query_length"],
  });
  const fixed = decodeModel(exportAttention({ opset: 23, numHeads: 4, causal: true, queryOffset: 3 }));
  expect(fixed.initializers.query_offset).toEqual({ type: "int64", dims: [1], values: [3] });
});

it("is made of small operators at opset 17, and of no more than the options need", () => {
  const model = decodeModel(exportAttention({ opset: 17, numHeads: 4 }));
  expect(model.opsets).toEqual([{ domain: "", version: 17 }]);
  expect(model.irVersion).toBe(8);
  expect(operators({ opset: 17, numHeads: 4, scale: 1 })).toEqual(["Transpose", "MatMul", "Mul", "Softmax", "MatMul"]);
  expect(operators({ opset: 17, numHeads: 4, scale: 1, mask: true })).toEqual([
    "Transpose",
    "MatMul",
    "Mul",
    "Where",
    "Softmax",
    "Where",
    "MatMul",
  ]);
});

it("does not copy the keys and values of grouped heads", () => {
  expect(operators({ opset: 17, numHeads: 4, kvNumHeads: 2, scale: 1 }).filter((name) => name !== "Reshape")).toEqual([
    "Transpose",
    "MatMul",
    "Mul",
    "Softmax",
    "MatMul",
  ]);
});

it("refuses what it cannot export, and says what to do", () => {
  expect(() => exportAttention({ opset: 18 as 17, numHeads: 4 })).toThrow(UnsupportedError);
  expect(() => exportAttention({ opset: 18 as 17, numHeads: 4 })).toThrow("opset must be 17 or 23; got opset 18. Use 17");
  expect(() => exportAttention({ opset: 17, numHeads: 4, kvNumHeads: 3 })).toThrow(ShapeError);
  expect(() => exportAttention({ opset: 17, numHeads: 0 })).toThrow("numHeads must be a positive multiple of kvNumHeads");
  expect(() => exportAttention({ opset: 17, numHeads: 4, queryOffset: 0 })).toThrow("Add causal: true");
  expect(() => exportAttention({ opset: 17, numHeads: 4, causal: true, queryOffset: 0.5 })).toThrow("whole number");
  expect(() => exportAttention({ opset: 17, numHeads: 4, softcap: 0 })).toThrow("softcap must be above 0");
  expect(() => exportAttention({ opset: 17, numHeads: 4, scale: NaN })).toThrow("scale must be finite");
  expect(() => exportAttention({ opset: 23, numHeads: 4, scale: -1 })).toThrow("Use opset: 17");
  expect(exportAttention({ opset: 17, numHeads: 4, scale: -1 }).length).toBeGreaterThan(0);
});
