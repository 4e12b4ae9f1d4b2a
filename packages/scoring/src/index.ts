export { additive, concatScore, initAdditive, type AdditiveParameters } from "./additive.ts";
export { bilinear } from "./bilinear.ts";
export { dot, scaledDot, type ScaledDotOptions } from "./dot.ts";
export { gaussian } from "./gaussian.ts";
