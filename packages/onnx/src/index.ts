export { exportAttention, type ExportAttentionOptions } from "./export-attention.ts";
export { exportMultiHeadAttention } from "./export-multi-head-attention.ts";
export {
  encodeModel,
  type Attribute,
  type DataType,
  type Graph,
  type Initializer,
  type Model,
  type Node,
  type ValueInfo,
} from "./model.ts";
export type { ExportOptions } from "./options.ts";
