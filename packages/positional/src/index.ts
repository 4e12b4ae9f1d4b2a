export { alibi, alibiSlopes, type AlibiOptions } from "./alibi.ts";
export { gridBias, type GridOptions } from "./grid-bias.ts";
export { LearnedGridPositions, LearnedPositions, type LearnedOptions } from "./learned.ts";
export { quadraticBias } from "./quadratic-bias.ts";
export { rope, type RopeOptions } from "./rope.ts";
export { rotate, type RotateOptions } from "./rotate.ts";
export { sinCos2d, type SinCos2dOptions } from "./sin-cos-2d.ts";
export { sinusoidal, type SinusoidalOptions } from "./sinusoidal.ts";
export { initT5Bias, t5Bias, t5Buckets, type T5BucketOptions } from "./t5-bias.ts";
