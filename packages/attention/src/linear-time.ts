/** Attention in time that is linear, or nearly so, in the length: not exact, or another function than softmax attention. */
export { eluPlusOne } from "./linear-time/feature-map.ts";
export { linearAttention, type Form, type LinearAttentionOptions, type LinearState } from "./linear-time/linear-attention.ts";
export { linformer, type LinformerOptions } from "./linear-time/linformer.ts";
export { orthogonalFeatures } from "./linear-time/orthogonal-features.ts";
export { performer, type PerformerOptions } from "./linear-time/performer.ts";
export { recurrentAttention, type RecurrentAttentionOptions } from "./linear-time/recurrent-attention.ts";
export { reformer, type ReformerOptions } from "./linear-time/reformer.ts";
