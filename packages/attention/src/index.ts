export { attention, type AttentionResult } from "./attention.ts";
export { explain, type Explanation } from "./explain.ts";
export { MultiHeadAttention, type MultiHeadAttentionOptions, type MultiHeadCallOptions } from "./multi-head-attention.ts";
export type { Normaliser } from "./normalisers.ts";
export type { AttentionOptions, Return } from "./options.ts";
export { weightsOf, type WeightsOfOptions } from "./weights-of.ts";
