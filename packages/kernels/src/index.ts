export { activeBuild, backend, configuration, configure, type Configuration } from "./configure.ts";
export { DTypeError, FormatError, HeedError, ScopeError, ShapeError, UnsupportedError } from "./errors.ts";
export { compiledFamily, defineFamily, withReference, type Build, type Family, type WasmSource } from "./family.ts";
export { features } from "./features.ts";
export { allocateBlock, allocatorBytes, freeBlock, Region } from "./memory/allocator.ts";
export { copyBytes } from "./memory/copy-bytes.ts";
export { linearMemory, type LinearMemory } from "./memory/linear-memory.ts";
export { float32View, float64View, int32View, uint8View, viewsOf, type Views } from "./memory/views.ts";
export { math } from "./math/math.ts";
export { convert as convertKernels, type ConvertKernels } from "./convert/convert.ts";
export { widen as widenKernels, type WidenKernels } from "./widen/widen.ts";
export { copy as copyKernels, type CopyKernels } from "./copy/copy.ts";
export { zeroBytes } from "./copy/zero-bytes.ts";
export { activations } from "./matmul/activations.ts";
export { matmulScratchBytes, packedColumns, packsColumns } from "./matmul/blocking.ts";
export { cutProduct, type Block } from "./matmul/cut.ts";
export { matmul as matmulKernels, type MatmulKernels } from "./matmul/matmul.ts";
export { norm as normKernels, type NormKernels } from "./norm/norm.ts";
export {
  convolution as convolutionKernels,
  correlateScratchBytes,
  packedKernelBytes,
  packedWinogradBytes,
  type ConvolutionKernels,
  winogradQuads,
  winogradScratchBytes,
} from "./convolution/convolution.ts";
export { optimiser as optimiserKernels, type OptimiserKernels } from "./optimiser/optimiser.ts";
export { pooling as poolingKernels, type PoolingKernels } from "./pooling/pooling.ts";
export { random as randomKernels, type RandomKernels } from "./random/random.ts";
export { threefry } from "./random/threefry.ts";
export { rows as rowKernels, type RowKernels } from "./rows/rows.ts";
export { unary as unaryKernels, type UnaryKernels } from "./unary/unary.ts";
export { binary as binaryKernels, type BinaryKernels } from "./binary/binary.ts";
export { logic as logicKernels, type LogicKernels } from "./logic/logic.ts";
export { pow as powKernels, type PowKernels } from "./pow/pow.ts";
export { softmax as softmaxKernels, type SoftmaxKernels } from "./softmax/softmax.ts";
export { extremes as extremeKernels, type ExtremeKernels } from "./extremes/extremes.ts";
export { reduce as reduceKernels, type ReduceKernels } from "./reduce/reduce.ts";
export { profileKernels, type KernelCallListener, type KernelTime } from "./profile.ts";
export { isShared } from "./threads/pool-for.ts";
export { cutItems, runItems, type ItemOptions } from "./threads/run-items.ts";
export { runParallel, type ParallelOptions, type RunParallel } from "./threads/run-parallel.ts";
export { runWhereAsked } from "./threads/run-where-asked.ts";
export { runTasks, type KernelCall, type Task, type TaskOptions } from "./threads/run-tasks.ts";
export { threads } from "./threads/threads.ts";
