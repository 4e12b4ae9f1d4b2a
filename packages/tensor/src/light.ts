// Tensors without most of their operations, for programs that must start soon: `index.ts` and `operation.ts` have all.
export { DTypeError, FormatError, HeedError, ScopeError, ShapeError, UnsupportedError } from "@heed/kernels/light";

export { full, ones, tensor, zeros, type FillOptions, type TensorOptions } from "./core/construct.ts";
export { copyTo } from "./core/copy-to.ts";
export type { DType, TypedArray } from "./core/dtype.ts";
export { memory, scope } from "./core/scope.ts";
export { noGrad } from "./core/tape.ts";
export { Tensor, type NestedArray } from "./core/tensor.ts";
export { add, div, mul, neg, sub } from "./operations/arithmetic.ts";
export { sum } from "./operations/sum.ts";
export { broadcastTo, expand, permute, reshape, slice, squeeze, transpose, unsqueeze } from "./operations/views.ts";
export type { RandomKey } from "./random/random-key.ts";

export { compute, packed, type OutputSpec, type Scratch } from "./core/compute.ts";
export { bytesPer, requireReal, type RealDType } from "./core/dtype.ts";
export { broadcastShapes, broadcastStrides, rowMajor, type Shape } from "./core/shape.ts";
export { isRecording } from "./core/tape.ts";
export { widened } from "./operations/widened.ts";
