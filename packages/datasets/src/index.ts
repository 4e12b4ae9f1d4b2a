export type { Augmentation } from "./augmentation.ts";
export { batches, batchTensors, imageBatch, type BatchOptions, type ImageBatch } from "./batches.ts";
export { batchCount, batchIndices, type BatchOrder } from "./batch-indices.ts";
export { parseIdx, type IdxArray } from "./idx/parse-idx.ts";
export { readIdx } from "./idx/read-idx.ts";
export { classCounts, imageSet, subset, type ImageSet, type ImageSplit } from "./image-set.ts";
export { patchworks, type PatchworkOptions } from "./patchworks/patchworks.ts";
export { pixelStatistics, type PixelStatistics } from "./pixel-statistics.ts";
export { stratifiedSplit } from "./stratified-split.ts";
