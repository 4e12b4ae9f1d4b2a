export { causal } from "./causal.ts";
export { and, not, or } from "./combine.ts";
export { document } from "./document.ts";
export { fromDropMask, fromTensor } from "./from-tensor.ts";
export type { DrawableMask, TensorOptions } from "./internal/interval-mask.ts";
export { padding } from "./padding.ts";
export { window } from "./window.ts";
