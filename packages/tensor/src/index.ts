export {
  backend,
  configuration,
  configure,
  DTypeError,
  features,
  FormatError,
  HeedError,
  ScopeError,
  ShapeError,
  UnsupportedError,
  type Configuration,
} from "@heed/kernels";

export { arange, eye, full, ones, tensor, zeros, type FillOptions, type TensorOptions } from "./core/construct.ts";
export { copyTo } from "./core/copy-to.ts";
export type { DType, TypedArray } from "./core/dtype.ts";
export { keep } from "./core/keep.ts";
export { resident, type Residency, type Stateful } from "./core/resident.ts";
export { memory, scope } from "./core/scope.ts";
export type { Shape } from "./core/shape.ts";
export { clearGrad, grad, noGrad, valueAndGrad, type TensorTree } from "./core/tape.ts";
export { Tensor, type NestedArray } from "./core/tensor.ts";

export { abs } from "./operations/abs.ts";
export { add, div, mul, neg, sub } from "./operations/arithmetic.ts";
export { batchNorm, type BatchNormOptions } from "./operations/batch-norm.ts";
export type { Operand } from "./operations/binary.ts";
export { cast } from "./operations/cast.ts";
export { clamp, type ClampOptions } from "./operations/clamp.ts";
export { equal, greater, greaterEqual, less, lessEqual, notEqual } from "./operations/comparisons.ts";
export { crossEntropy, type CrossEntropyOptions } from "./operations/cross-entropy.ts";
export { cumsum } from "./operations/cumsum.ts";
export { dropout, type DropoutOptions } from "./operations/dropout.ts";
export { einsum } from "./operations/einsum.ts";
export { erf } from "./operations/erf.ts";
export { exp, log, log1p } from "./operations/exponential.ts";
export { maximum, minimum } from "./operations/extrema.ts";
export { gelu, type GeluOptions } from "./operations/gelu.ts";
export { addLayerNorm, layerNorm, type LayerNormOptions } from "./operations/layer-norm.ts";
export { all, any, logicalAnd, logicalNot, logicalOr, logicalXor } from "./operations/logical.ts";
export { linear, type LinearOptions } from "./operations/linear.ts";
export { matmul } from "./operations/matmul.ts";
export { pow, reciprocal, rsqrt, sqrt, square } from "./operations/powers.ts";
export {
  argmax,
  argmin,
  logSumExp,
  max,
  mean,
  min,
  norm,
  std,
  variance,
  variance as var,
  type ReduceOptions,
  type VarianceOptions,
} from "./operations/reductions.ts";
export { sum } from "./operations/sum.ts";
export { elu, leakyRelu, relu } from "./operations/relu.ts";
export { rmsNorm, type RmsNormOptions } from "./operations/rms-norm.ts";
export { sigmoid, silu, softplus, tanh } from "./operations/sigmoid.ts";
export { logSoftmax, softmax } from "./operations/softmax.ts";
export { topK, type TopKOptions } from "./operations/top-k.ts";
export { cos, sin } from "./operations/trigonometric.ts";
export { broadcastTo, expand, permute, reshape, slice, squeeze, transpose, unsqueeze } from "./operations/views.ts";
export { maskedFill, where } from "./operations/where.ts";
export { adaptiveAvgPool2d, avgPool2d, type AvgPool2dOptions } from "./operations/avg-pool2d.ts";
export { concat } from "./operations/concat.ts";
export { conv2d, type Conv2dOptions } from "./operations/conv2d.ts";
export { embedding, type EmbeddingOptions } from "./operations/embedding.ts";
export { flip } from "./operations/flip.ts";
export { gather, scatterAdd } from "./operations/gather.ts";
export { indexSelect } from "./operations/index-select.ts";
export { interpolate, type InterpolateOptions } from "./operations/interpolate.ts";
export { maxPool2d, type MaxPool2dOptions } from "./operations/max-pool2d.ts";
export { pad, type PadOptions } from "./operations/pad.ts";
export { roll } from "./operations/roll.ts";
export { split } from "./operations/split.ts";
export { stack } from "./operations/stack.ts";
export { tile } from "./operations/tile.ts";
export { tril, triu } from "./operations/triangular.ts";

export { bernoulli } from "./random/bernoulli.ts";
export { normal, type NormalOptions } from "./random/normal.ts";
export { permutation, randomOrder } from "./random/permutation.ts";
export { randomIntegers } from "./random/random-integers.ts";
export { parseRandomKey, randomKey, type RandomKey } from "./random/random-key.ts";
export { randomStream, type RandomStream } from "./random/random-stream.ts";
export { randomWords } from "./random/random-words.ts";
export { truncatedNormal, type TruncatedNormalOptions } from "./random/truncated-normal.ts";
export { uniform, type UniformOptions } from "./random/uniform.ts";

export { readSafetensors, type Safetensors } from "./safetensors/read.ts";
export { writeSafetensors } from "./safetensors/write.ts";
