export { normalizeImage } from "./normalise.ts";
export { PatchEmbed, type PatchEmbedOptions } from "./patch-embed.ts";
export { patchify, unpatchify, type PatchOptions } from "./patchify.ts";
export { resizePositions, type ResizePositionsOptions } from "./resize-positions.ts";
export { VisionTransformer, type VisionTransformerOptions } from "./vision-transformer.ts";
