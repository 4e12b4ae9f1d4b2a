export { inFloat64 } from "./reference/in-float64.ts";
