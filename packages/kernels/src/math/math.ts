import { erf, erfc } from "./erf.ts";
import { exp, expm1 } from "./exp.ts";
import { log, log1p } from "./log.ts";
import { pow } from "./pow.ts";
import { tanh } from "./tanh.ts";
import { cos, sin } from "./trigonometric.ts";

/**
 * `Math`'s transcendental functions, with the same bits on every engine. An object rather than `export * as`: from a built package, some
 * bundlers cannot drop a namespace that nobody uses.
 */
export const math = { cos, erf, erfc, exp, expm1, log, log1p, pow, sin, tanh } as const;
