export { erf, erfc } from "./erf.ts";
export { exp, expm1 } from "./exp.ts";
export { log, log1p } from "./log.ts";
export { pow } from "./pow.ts";
export { tanh } from "./tanh.ts";
export { cos, sin } from "./trigonometric.ts";
