import { MultiHeadAttention } from "@heed/attention";
import { UnsupportedError, type Tensor } from "@heed/tensor";
import { attendDecomposed, attendFused } from "./internal/attend.ts";
import { checkOptions } from "./internal/check-options.ts";
import { GraphBuilder } from "./internal/graph-builder.ts";
import { irVersions } from "./internal/ir-versions.ts";
import { encodeModel, type ValueInfo } from "./model.ts";
import type { ExportOptions } from "./options.ts";

/**
 * An ONNX model of `module.forward(query, key, value, …)` as it stands now, without dropout, in float32.
 *
 * Letters: B batch, H heads, L queries, S keys; B, L and S are symbolic.
 *
 * Inputs `query` `[B, L, embedDim]`, `key` `[B, S, kdim]`, `value` `[B, S, vdim]` (feed one tensor thrice for self-attention) and, with
 * `mask: true`, `mask` bool `[B | 1, H | 1, L | 1, S]`. Output `output` `[B, L, embedDim]`. The weights are initializers with the names of
 * the module's state dict (`in_proj_weight`, `out_proj.bias`, …). Causal masks, empty rows and softcap: see `exportAttention`.
 *
 * @returns the bytes of an `.onnx` file; the same module and options give the same bytes
 * @throws {UnsupportedError} for another module, one with shared key/value heads, rotation, added keys or temperature, parameters that are not
 * float32, a model of 2 GiB or more, and as `exportAttention` does; {ScopeError} when a parameter's scope has ended.
 *
 * Time and memory O(parameters), which are copied.
 * @see https://onnx.ai/onnx/operators/onnx__Attention.html (3-D form)
 * @example await writeFile("layer.onnx", exportMultiHeadAttention(layer, { opset: 17, causal: true }));
 */
export function exportMultiHeadAttention(module: MultiHeadAttention, options: ExportOptions): Uint8Array<ArrayBuffer> {
  const where = "exportMultiHeadAttention";
  if (!(module instanceof MultiHeadAttention)) {
    const name = (module as object | undefined)?.constructor?.name ?? typeof module;
    throw new UnsupportedError(
      where,
      "module must be a MultiHeadAttention",
      { module: name },
      "Pass the layer itself, such as block.self_attn.",
    );
  }
  checkOptions(where, options);
  const state = module.stateDict();
  for (const [name, { dtype }] of Object.entries(state)) {
    if (dtype !== "float32")
      throw new UnsupportedError(where, "parameters must be float32", { [name]: dtype }, "Load them into a float32 module first.");
  }
  const { numKeyValueHeads, rotation, bias_k: addBiasKv, addZeroAttn, temperature } = module;
  if (numKeyValueHeads !== module.numHeads || rotation !== undefined || addBiasKv !== null || addZeroAttn || temperature !== null) {
    throw new UnsupportedError(
      where,
      "a module with shared key/value heads, rotation, added keys or temperature is not exported",
      { numKeyValueHeads, rotation: rotation !== undefined, addBiasKv: addBiasKv !== null, addZeroAttn, temperature: temperature !== null },
      "exportAttention exports what lies between its projections.",
    );
  }
  const { opset, mask = false } = options;
  const { embedDim, numHeads } = module;
  const heads = { numHeads, kvNumHeads: numHeads };
  const graph = new GraphBuilder();
  for (const [name, x] of Object.entries(state)) graph.constant(name, floats(x), x.shape);

  const [query, key, value] = project(graph, module);
  const maskName = mask ? "mask" : undefined;
  let context: string;
  if (opset === 23) {
    context = attendFused(graph, { query, key, value, mask: maskName }, "context", options, heads);
  } else {
    const [q, k, v] = [query, key, value].map((x) => {
      const parts = graph.add("Reshape", [x, graph.int64("shape.split", [0, 0, numHeads, embedDim / numHeads])], `${x}.parts`);
      return graph.add("Transpose", [parts], `${x}.heads`, { perm: { ints: [0, 2, 1, 3] } }); // [B, H, length, D]
    }) as [string, string, string];
    const perHead = attendDecomposed(graph, { query: q, key: k, value: v, mask: maskName }, "context.heads", options, heads);
    const parts = graph.add("Transpose", [perHead], "context.parts", { perm: { ints: [0, 2, 1, 3] } });
    context = graph.add("Reshape", [parts, graph.int64("shape.joined", [0, 0, embedDim])], "context");
  }
  const { bias } = module.out_proj;
  const weight = transposed(graph, "out_proj.weight");
  if (bias === null) graph.add("MatMul", [context, weight], "output");
  else graph.add("Add", [graph.add("MatMul", [context, weight], "output.unbiased"), "out_proj.bias"], "output");

  const float = (name: string, length: string, width: number): ValueInfo => ({ name, dataType: "float32", dims: ["batch", length, width] });
  const inputs: ValueInfo[] = [
    float("query", "query_length", embedDim),
    float("key", "key_length", module.k_proj_weight?.shape[1] ?? embedDim),
    float("value", "key_length", module.v_proj_weight?.shape[1] ?? embedDim),
  ];
  if (mask) inputs.push({ name: "mask", dataType: "bool", dims: ["mask_batch", "mask_heads", "mask_queries", "key_length"] });
  const built = graph.build("multi_head_attention", inputs, [float("output", "query_length", embedDim)]);
  return encodeModel({ irVersion: irVersions[opset], opset, graph: built });
}

/** Query, key and value after their projections, `[B, length, embedDim]`. Joint weights stay one initializer, split in the graph. */
function project(
  graph: GraphBuilder,
  { embedDim: E, in_proj_weight: joint, in_proj_bias: bias }: MultiHeadAttention,
): [string, string, string] {
  const names = ["query", "key", "value"] as const;
  const thirds = (name: string) => {
    const outputs = names.map((each) => `${name}.${each}`);
    graph.addSplit(name, graph.int64("split", [E, E, E]), outputs);
    return outputs;
  };
  const weights = joint === null ? ["q_proj_weight", "k_proj_weight", "v_proj_weight"] : thirds("in_proj_weight");
  const biases = bias === null ? undefined : thirds("in_proj_bias");
  return names.map((name, i) => {
    const weight = transposed(graph, weights[i]);
    if (biases === undefined) return graph.add("MatMul", [name, weight], `${name}.projected`);
    return graph.add("Add", [graph.add("MatMul", [name, weight], `${name}.unbiased`), biases[i]], `${name}.projected`);
  }) as [string, string, string];
}

/** PyTorch keeps `[out, in]`; a product of rows needs `[in, out]`. Runtimes fold this into a constant. */
function transposed(graph: GraphBuilder, weight: string): string {
  return graph.add("Transpose", [weight], `${weight}.transposed`, { perm: { ints: [1, 0] } });
}

function floats(x: Tensor): Float32Array {
  return x.toTypedArray() as Float32Array;
}
