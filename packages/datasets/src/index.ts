export { classCounts, imageSet, subset, type ImageSet, type ImageSplit } from "./image-set.ts";
export { parseIdx } from "./idx/parse-idx.ts";
export { patchworks, type PatchworkOptions } from "./patchworks/patchworks.ts";
export { stratifiedSplit } from "./stratified-split.ts";
