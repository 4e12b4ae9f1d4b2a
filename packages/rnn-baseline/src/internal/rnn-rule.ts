import { add, relu, tanh, UnsupportedError } from "@heed/tensor";
import { plainShape } from "../sequence/cell-shape.ts";
import type { CellRule } from "./cell-rule.ts";

const tanhRule: CellRule = {
  name: "RNN",
  shape: plainShape,
  kernel: "tanh",
  bias: add,
  dense: (sums) => ({ h: tanh(sums) }),
};

const reluRule: CellRule = {
  name: "RNN",
  shape: plainShape,
  kernel: "relu",
  bias: add,
  dense: (sums) => ({ h: relu(sums) }),
};

/** The rule of a nonlinearity; tanh by default. */
export function nonlinearityRule(where: string, nonlinearity: "tanh" | "relu" = "tanh"): CellRule {
  if (nonlinearity === "tanh") return tanhRule;
  if (nonlinearity === "relu") return reluRule;
  throw new UnsupportedError(where, "nonlinearity must be tanh or relu", { nonlinearity });
}
