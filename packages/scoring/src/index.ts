export { additive, concatScore, initAdditive, type AdditiveOptions, type AdditiveParameters, type ConcatParameters } from "./additive.ts";
export { bilinear } from "./bilinear.ts";
export { cosine, type CosineOptions } from "./cosine.ts";
export { dot, scaledDot, type ScaledDotOptions } from "./dot.ts";
export { gaussian } from "./gaussian.ts";
