import { ShapeError } from "@heed/tensor";
import { attendDecomposed, attendFused } from "./internal/attend.ts";
import { checkOptions } from "./internal/check-options.ts";
import { GraphBuilder } from "./internal/graph-builder.ts";
import { irVersions } from "./internal/ir-versions.ts";
import { encodeModel, type ValueInfo } from "./model.ts";
import type { ExportOptions } from "./options.ts";

export interface ExportAttentionOptions extends ExportOptions {
  /** H, heads of the query. */
  readonly numHeads: number;
  /** Hkv, heads of key and value; divides `numHeads`. Default `numHeads`. */
  readonly kvNumHeads?: number;
}

/**
 * An ONNX model of `attention(query, key, value, { score: scaledDot({ scale }), softcap, mask, queryOffset })`, in float32.
 *
 * Letters: B batch, H heads, Hkv key/value heads, L queries, S keys, D width of a query or key, E width of a value. All but the head
 * counts are symbolic: one model runs at every size.
 *
 * Inputs `query` `[B, H, L, D]`, `key` `[B, Hkv, S, D]`, `value` `[B, Hkv, S, E]` and, with `mask: true`, `mask` bool
 * `[B | 1, H | 1, L | 1, S]`, true = may attend. Output `output` `[B, H, L, E]`.
 *
 * **Causal.** ONNX's `is_causal` starts the triangle at the top left (key j ≤ query i); ours at the bottom right unless told (j ≤ i +
 * queryOffset, by default S − L). They agree where queryOffset is 0. So `queryOffset: 0` becomes `is_causal`, and every other one a mask that
 * the model computes from its shapes and hands to the node. Opset 17 always does the latter.
 *
 * **Masks** are expanded to `[…, L, S]` in opset 23 before the node, since ONNX Runtime takes none that repeats over the queries.
 *
 * **Empty rows** are zeros: in opset 17 by a selection in the graph, in opset 23 because the operator says so. **Softcap** comes before
 * the mask; the text of opset 23 had it the other way round until it was corrected in 2026 (onnx/onnx#7867), so an older runtime lets
 * masked keys through when both are used: take opset 17 there. Unlike here, NaN in the value of a masked key reaches the output.
 *
 * @returns the bytes of an `.onnx` file; the same options give the same bytes
 * @throws {ShapeError} for head counts that are no whole numbers or do not divide; {UnsupportedError} for another opset, `scale` ≤ 0 at opset
 * 23, `queryOffset` without `causal`; {HeedError} for numbers out of their range.
 *
 * Time O(1): the graph does not grow with any size.
 * @see https://onnx.ai/onnx/operators/onnx__Attention.html
 * @example await writeFile("attention.onnx", exportAttention({ opset: 23, numHeads: 8, causal: true }));
 */
export function exportAttention(options: ExportAttentionOptions): Uint8Array<ArrayBuffer> {
  const where = "exportAttention";
  const { opset, numHeads, kvNumHeads = numHeads, mask = false } = options;
  checkOptions(where, options);
  if (![numHeads, kvNumHeads].every((n) => Number.isSafeInteger(n) && n >= 1) || numHeads % kvNumHeads !== 0) {
    throw new ShapeError(
      where,
      "numHeads must be a positive multiple of kvNumHeads",
      { numHeads, kvNumHeads },
      "Leave kvNumHeads out for as many as numHeads.",
    );
  }
  const float = (name: string, ...dims: (number | string)[]): ValueInfo => ({ name, dataType: "float32", dims });
  const inputs: ValueInfo[] = [
    float("query", "batch", numHeads, "query_length", "head_dim"),
    float("key", "batch", kvNumHeads, "key_length", "head_dim"),
    float("value", "batch", kvNumHeads, "key_length", "value_dim"),
  ];
  if (mask) inputs.push({ name: "mask", dataType: "bool", dims: ["mask_batch", "mask_heads", "mask_queries", "key_length"] });
  const graph = new GraphBuilder();
  const operands = { query: "query", key: "key", value: "value", mask: mask ? "mask" : undefined };
  if (opset === 23) attendFused(graph, operands, "output", options);
  else attendDecomposed(graph, operands, "output", options, { numHeads, kvNumHeads });
  const outputs = [float("output", "batch", numHeads, "query_length", "value_dim")];
  return encodeModel({ irVersion: irVersions[opset], opset, graph: graph.build("attention", inputs, outputs) });
}
