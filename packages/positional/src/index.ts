export { LearnedGridPositions, LearnedPositions, type LearnedOptions } from "./learned.ts";
export { sinCos2d, type SinCos2dOptions } from "./sin-cos-2d.ts";
export { sinusoidal, type SinusoidalOptions } from "./sinusoidal.ts";
