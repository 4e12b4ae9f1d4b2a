// What tensors need before any operation, for programs that must start soon: `index.ts` has all.
export { DTypeError, FormatError, HeedError, ScopeError, ShapeError, UnsupportedError } from "./errors.ts";
export { compiledFamily, type Family } from "./family.ts";
export { allocateBlock, allocatorBytes, freeBlock, Region } from "./memory/allocator.ts";
export { copyBytes } from "./memory/copy-bytes.ts";
export { linearMemory } from "./memory/linear-memory.ts";
export { float32View, float64View, int32View, uint8View, type Views } from "./memory/views.ts";
export { activeBuild, configuration } from "./settings.ts";
export { runWhereAsked } from "./threads/run-where-asked.ts";
export type { RunParallel } from "./threads/run-parallel.ts";
export { binary as binaryKernels, type BinaryKernels } from "./binary/binary.ts";
export { copy as copyKernels } from "./copy/copy.ts";
export { zeroBytes } from "./copy/zero-bytes.ts";
export { reduce as reduceKernels } from "./reduce/reduce.ts";
export { widen as widenKernels } from "./widen/widen.ts";
