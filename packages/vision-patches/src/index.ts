export { resizePositions, type ResizePositionsOptions } from "@heed/positional";
export { normalizeImage } from "./normalise.ts";
export { PatchEmbed, type PatchEmbedOptions } from "./patch-embed.ts";
export { patchify, unpatchify, type PatchOptions } from "./patchify.ts";
export { VisionTransformer, type VisionTransformerOptions } from "./vision-transformer.ts";
