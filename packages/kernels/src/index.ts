export { activeBuild, backend, configuration, configure, type Configuration } from "./configure.ts";
export { DTypeError, FormatError, HeedError, ScopeError, ShapeError, UnsupportedError } from "./errors.ts";
export { defineFamily, type Build, type Family, type WasmSource } from "./family.ts";
export { features } from "./features.ts";
export { allocateBlock, allocatorBytes, freeBlock, Region } from "./memory/allocator.ts";
export { linearMemory, type LinearMemory } from "./memory/linear-memory.ts";
export { float32View, float64View, int32View, uint8View, viewsOf, type Views } from "./memory/views.ts";
export * as math from "./math/index.ts";
