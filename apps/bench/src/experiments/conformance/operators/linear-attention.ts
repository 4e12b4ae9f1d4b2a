import { recurrentAttention, type RecurrentAttentionOptions } from "@heed/attention/linear-time";
import { transpose } from "@heed/tensor";
import { inputOf, numberOf, textOf, type Operator } from "../operator.ts";
import { joinHeads, splitHeads } from "./heads.ts";

const rules = { linear: "linear", gated: "gated", delta: "delta", gated_delta: "gatedDelta" } as const;

export const linearAttentionOperator: Operator = {
  mapping: [
    "recurrentAttention(query, key, value, { updateRule, decay, beta, state }): not divided, as ONNX's;",
    "  our linearAttention divides by φ(q) · z.",
    "[B, T, heads · width] operands are split into heads; decay [B, T, G · D] or [B, T, G] → [B, G, T, D | 1],",
    "  beta [B, T, G | 1] → [B, G | 1, T].",
    "scale 0 and a missing scale → the default 1 / √D. chunk_size is a hint there, and none is needed here.",
  ],
  run(vector) {
    const [H, G] = [numberOf(vector, "q_num_heads", 1), numberOf(vector, "kv_num_heads", 1)];
    const [query, key, value] = [splitHeads(inputOf(vector, 0), H), splitHeads(inputOf(vector, 1), G), splitHeads(inputOf(vector, 2), G)];
    const [, , , state, decay, beta] = vector.inputs;
    const scale = numberOf(vector, "scale", 0);
    const options = {
      updateRule: rules[textOf(vector, "update_rule", "gated_delta") as keyof typeof rules],
      ...(decay === undefined ? {} : { decay: splitHeads(decay, G) }),
      ...(beta === undefined ? {} : { beta: transpose(beta, 1, 2) }),
      ...(state === undefined ? {} : { state }),
      ...(scale === 0 ? {} : { scale }),
      returns: ["state"],
    } as RecurrentAttentionOptions & { returns: ["state"] };
    const { output, state: present } = recurrentAttention(query, key, value, options);
    return [joinHeads(output), present];
  },
};
