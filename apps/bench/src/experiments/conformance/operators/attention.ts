import { attention, type AttentionOptions } from "@heed/attention";
import { and, causal, fromTensor, padding, window, type DrawableMask } from "@heed/masks";
import { scaledDot } from "@heed/scoring";
import { concat, pad, reshape, type Tensor } from "@heed/tensor";
import { flagOf, inputOf, numberOf, type Operator } from "../operator.ts";
import { joinHeads, splitHeads } from "./heads.ts";

const stages = ["scores:raw", "scores:softcapped", "scores:masked", "weights"] as const;

/** Steps 1 to 9 of the README's section Attention. */
export const attentionOperator: Operator = {
  mapping: [
    "attention(query, key, value, …); 3-D operands are split into heads, past keys and values are put before the new ones.",
    "Alignment: ONNX counts positions from the cache, or from nonpad_kv_seqlen − L, else from the top left; ours from the bottom right.",
    "  → queryOffset = P with a cache of P keys, nonpad_kv_seqlen[b] − L with that input, else 0.",
    "is_causal → causal(); windows → window(left, right); nonpad_kv_seqlen → padding(…); a boolean attn_mask → fromTensor(…);",
    "  joined by and(…).",
    "A float attn_mask → bias. A short last axis is filled with closed keys (false, −∞). Rank 3 is [H, L, T], as with us.",
    "qk_matmul_output_mode 0, 1, 2, 3 → returns scores:raw, scores:softcapped, scores:masked, weights.",
    "softmax_precision: all is computed in float32, within the tolerance.",
  ],
  run(vector) {
    const [Q, K, V] = [inputOf(vector, 0), inputOf(vector, 1), inputOf(vector, 2)];
    const {
      attn_mask: attnMask,
      pastKey,
      pastValue,
      nonpad,
    } = {
      attn_mask: vector.inputs[3],
      pastKey: vector.inputs[4],
      pastValue: vector.inputs[5],
      nonpad: vector.inputs[6],
    };
    const packed = Q.rank === 3;
    const query = packed ? splitHeads(Q, numberOf(vector, "q_num_heads", 1)) : Q;
    const [newKey, newValue] = [K, V].map((x) => (packed ? splitHeads(x, numberOf(vector, "kv_num_heads", 1)) : x)) as [Tensor, Tensor];
    const key = pastKey === undefined ? newKey : concat([pastKey, newKey], 2);
    const value = pastValue === undefined ? newValue : concat([pastValue, newValue], 2);
    const [L, T] = [query.shape[2]!, key.shape[2]!];
    const lengths = nonpad === undefined ? undefined : Int32Array.from(nonpad.toTypedArray());
    const given = attnMask === undefined ? undefined : aligned(attnMask, T);
    const bool = given?.dtype === "bool";

    const masks: DrawableMask[] = [];
    if (flagOf(vector, "is_causal")) masks.push(causal());
    const [left, right] = [numberOf(vector, "left_window_size", -1), numberOf(vector, "right_window_size", -1)];
    if (left >= 0 || right >= 0) masks.push(window(left, right));
    if (lengths !== undefined) masks.push(padding(lengths));
    if (bool) masks.push(fromTensor(given));

    const scale = vector.attributes.scale;
    const softcap = numberOf(vector, "softcap", 0);
    const options: AttentionOptions = {
      queryOffset: lengths === undefined ? (pastKey?.shape[2] ?? 0) : lengths.map((length) => length - L),
      mask: and(...masks),
      ...(typeof scale === "number" ? { score: scaledDot({ scale }) } : {}),
      ...(given !== undefined && !bool ? { bias: given } : {}),
      ...(softcap > 0 ? { softcap } : {}),
    };
    const stage = stages[numberOf(vector, "qk_matmul_output_mode", 0)]!;
    const wantsPairs = vector.outputs[3]?.expected !== undefined;
    const results = attention(query, key, value, { ...options, returns: wantsPairs ? [stage] : [] }) as Record<string, Tensor>;
    const y = results.output!;
    return [packed ? joinHeads(y) : y, key, value, results[stage]];
  },
};

/** To rank 4, from the right, and to T keys. */
function aligned(mask: Tensor, T: number): Tensor {
  const four = reshape(mask, [...[1, 1, 1, 1].slice(mask.rank), ...mask.shape]);
  const missing = T - four.shape[3]!;
  if (missing === 0) return four;
  if (four.dtype !== "bool")
    return pad(
      four,
      [
        [0, 0],
        [0, 0],
        [0, 0],
        [0, missing],
      ],
      { value: -Infinity },
    );
  return pad(four, [
    [0, 0],
    [0, 0],
    [0, 0],
    [0, missing],
  ]);
}
