/** Scores and masks of one's own, written as small expressions: `scoreMod` and `maskMod`. */
export { differentiate, type Derivatives, type LookupDerivative } from "./expressions/differentiate.ts";
export {
  abs,
  exp,
  type Expr,
  floor,
  log,
  max,
  min,
  select,
  sigmoid,
  sqrt,
  table,
  tanh,
  toFloat,
  type Operand,
  type Table,
} from "./expressions/expr.ts";
export { maskMod } from "./expressions/mask-mod.ts";
export { scoreMod, type PairVariables, type ScoreVariables } from "./expressions/score-mod.ts";
