import type { Attribute } from "../model.ts";
import type { ExportOptions } from "../options.ts";
import type { GraphBuilder } from "./graph-builder.ts";

export interface Operands {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  /** Bool, broadcastable to `[B, H, L, S]`. */
  readonly mask: string | undefined;
}

export interface HeadCounts {
  readonly numHeads: number;
  readonly kvNumHeads: number;
}

/**
 * Adds attention as the one node of opset 23.
 * @param heads for operands `[B, length, heads · width]`; left out for `[B, heads, length, width]`, which ONNX forbids to say twice
 * @returns `output`, of the rank of the query
 */
export function attendFused(graph: GraphBuilder, operands: Operands, output: string, options: ExportOptions, heads?: HeadCounts): string {
  const { causal = false, queryOffset, scale, softcap } = options;
  // Without a cache, is_causal starts at the top left whatever S is: that is our queryOffset 0, and no other.
  const topLeft = causal && queryOffset === 0;
  const lengthAxis = heads === undefined ? 2 : 1;
  const asked = { ...options, causal: causal && !topLeft };
  const lengths = operands.mask !== undefined || asked.causal ? readLengths(graph, operands, lengthAxis) : undefined;
  let mask = allowed(graph, operands.mask, lengths, asked);
  if (mask !== undefined && mask === operands.mask) {
    // The operator broadcasts masks, but ONNX Runtime (1.30) refuses one whose query axis is 1.
    const size = graph.add("Concat", [lengths!.L, lengths!.S], "mask.size", { axis: { int: 0 } });
    mask = graph.add("Expand", [mask, size], "mask.expanded");
  }
  const attributes: Record<string, Attribute> = {};
  if (topLeft) attributes.is_causal = { int: 1 };
  if (heads !== undefined) {
    attributes.kv_num_heads = { int: heads.kvNumHeads };
    attributes.q_num_heads = { int: heads.numHeads };
  }
  if (scale !== undefined) attributes.scale = { float: scale };
  if (softcap !== undefined) attributes.softcap = { float: softcap };
  return graph.add("Attention", [operands.query, operands.key, operands.value, ...(mask === undefined ? [] : [mask])], output, attributes);
}

/**
 * Adds attention over `[B, heads, length, width]` in operators of opset 17, in the order of our law: score, scale, softcap, mask, softmax, sum.
 * @returns `output`, `[B, H, L, E]`
 */
export function attendDecomposed(
  graph: GraphBuilder,
  operands: Operands,
  output: string,
  options: ExportOptions,
  { numHeads, kvNumHeads }: HeadCounts,
): string {
  const { scale, softcap } = options;
  const grouped = numHeads !== kvNumHeads;
  // Query heads that share a key head lie side by side, so joining them with the queries is a view: [B, H, L, ·] ↔ [B, Hkv, H / Hkv · L, ·].
  const join = (x: string) =>
    grouped ? graph.add("Reshape", [x, graph.int64("shape.grouped", [0, kvNumHeads, -1, 0])], `${x}.grouped`) : x;
  const part = (x: string, name: string) =>
    grouped ? graph.add("Reshape", [x, graph.int64("shape.heads", [0, numHeads, -1, 0])], name) : x;

  const transposed = graph.add("Transpose", [operands.key], "key.transposed", { perm: { ints: [0, 1, 3, 2] } });
  const products = graph.add("MatMul", [join(operands.query), transposed], "products");
  const factor = scale === undefined ? defaultScale(graph, operands.query) : graph.float("scale", scale);
  let scores = graph.add("Mul", [part(products, "products.heads"), factor], "scores");
  if (softcap !== undefined) {
    const cap = graph.float("softcap", softcap);
    const bent = graph.add("Tanh", [graph.add("Div", [scores, cap], "scores.by_cap")], "scores.bent");
    scores = graph.add("Mul", [bent, cap], "scores.softcapped");
  }
  const lengths = options.causal === true ? readLengths(graph, operands, 2) : undefined;
  const mask = allowed(graph, operands.mask, lengths, options);
  let weights: string;
  if (mask === undefined) {
    weights = graph.add("Softmax", [scores], "weights", { axis: { int: -1 } });
  } else {
    const masked = graph.add("Where", [mask, scores, graph.float("minus_infinity", -Infinity)], "scores.masked");
    const raw = graph.add("Softmax", [masked], "weights.raw", { axis: { int: -1 } });
    // An empty row is NaN here. Every pair of it is masked, so selecting (not multiplying) makes it zeros.
    weights = graph.add("Where", [mask, raw, graph.float("zero", 0)], "weights");
  }
  if (!grouped) return graph.add("MatMul", [weights, operands.value], output);
  return part(graph.add("MatMul", [join(weights), operands.value], "sum"), output);
}

/** Values `[1]`: L and S. */
interface Lengths {
  readonly L: string;
  readonly S: string;
}

function readLengths(graph: GraphBuilder, { query, key }: Operands, axis: 1 | 2): Lengths {
  const length = (x: string, name: string) => graph.add("Shape", [x], name, { start: { int: axis }, end: { int: axis + 1 } });
  return { L: length(query, "query_length"), S: length(key, "key_length") };
}

/** Which pairs may attend, or undefined for all: the given mask, and `j ≤ i + queryOffset` if causal, computed from the lengths. */
function allowed(graph: GraphBuilder, mask: string | undefined, lengths: Lengths | undefined, options: ExportOptions): string | undefined {
  const { causal, queryOffset } = options;
  if (causal !== true || lengths === undefined) return mask;
  const { L, S } = lengths;
  const [zero, one] = [graph.int64("int.0", 0), graph.int64("int.1", 1)];
  const count = (length: string, name: string) => graph.add("Range", [zero, graph.add("Squeeze", [length], `${name}.count`), one], name);
  const offset = queryOffset === undefined ? graph.add("Sub", [S, L], "query_offset") : graph.int64("query_offset", [queryOffset]);
  const last = graph.add("Add", [count(L, "queries"), offset], "last_key");
  const column = graph.add("Unsqueeze", [last, graph.int64("axis.1", [1])], "last_key.column"); // [L, 1]
  const causalMask = graph.add("LessOrEqual", [count(S, "keys"), column], "causal"); // [L, S]
  return mask === undefined ? causalMask : graph.add("And", [mask, causalMask], "allowed");
}

/** 1 / √D, with D read from the query's shape. */
function defaultScale(graph: GraphBuilder, query: string): string {
  const width = graph.add("Shape", [query], "head_dim", { start: { int: 3 } });
  const root = graph.add("Sqrt", [graph.add("Cast", [width], "head_dim.float", { to: { int: 1 } })], "head_dim.root");
  return graph.add("Reciprocal", [root], "scale");
}
