export { decodeImage } from "./decode-image.ts";
export type { DecodedImage, DecodeOptions } from "./decoded-image.ts";
export { listImageFolder, type ImageFolder } from "./list-image-folder.ts";
export { fashionMnistClassNames, isIdxFolder, loadIdxFolder, type LoadIdxOptions } from "./load-idx-folder.ts";
export { loadImageFolder, type LoadOptions, type LoadProgress } from "./load-image-folder.ts";
export { loadImages } from "./load-images.ts";
export { resize, resizeAndCrop, type Crop } from "./resize.ts";
