import type { Operator } from "../operator.ts";
import { attentionOperator } from "./attention.ts";
import { elementaryOperators } from "./elementary.ts";
import { flexAttentionOperator } from "./flex-attention.ts";
import { imageOperators } from "./images.ts";
import { linearAttentionOperator } from "./linear-attention.ts";
import { recurrentOperators } from "./recurrent.ts";
import { rotaryEmbeddingOperator } from "./rotary-embedding.ts";

/** Operators that map onto a function of the packages; those of attention first. */
export const operators: Readonly<Record<string, Operator>> = {
  Attention: attentionOperator,
  LinearAttention: linearAttentionOperator,
  FlexAttention: flexAttentionOperator,
  RotaryEmbedding: rotaryEmbeddingOperator,
  ...elementaryOperators,
  ...imageOperators,
  ...recurrentOperators,
};
