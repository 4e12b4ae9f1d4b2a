export {
  addInPlace,
  compute,
  computeOne,
  copyInto,
  mutate,
  packed,
  scaleInPlace,
  type KernelBody,
  type OutputSpec,
  type Scratch,
} from "./core/compute.ts";
export { mutateRuns, type Elements } from "./core/mutate-runs.ts";
export { bytesPer, isReal, requireReal, type RealDType } from "./core/dtype.ts";
export type { Stateful } from "./core/resident.ts";
export { collectTensors, refuseAsync } from "./core/scope.ts";
export {
  broadcastShapes,
  broadcastStrides,
  isRowMajor,
  normalizeAxes,
  normalizeAxis,
  requireShape,
  rowMajor,
  sameShape,
  sizeOf,
  type Shape,
} from "./core/shape.ts";
export { isRecording, noSecondDerivative, record, recordMany, type BackwardRule } from "./core/tape.ts";
export { requireTensor } from "./core/tensor.ts";
export { copy as copyStrided } from "./operations/copy.ts";
export { applyBinary, operands, type Operand } from "./operations/binary.ts";
export { denseGradient, recordFusedGradient, type Dense } from "./operations/dense-gradient.ts";
export { sumTo } from "./operations/sum-to.ts";
export { applyUnary, smooth } from "./operations/unary.ts";
export { widened } from "./operations/widened.ts";
