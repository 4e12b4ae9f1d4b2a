import { add, relu, tanh, UnsupportedError } from "@heed/tensor";
import { rnnCell } from "../rnn-cell/rnn-cell.ts";
import type { CellRule } from "./cell-rule.ts";

type Kernel = "tanhCell" | "reluCell";

/** Annotated where it is called: bundlers keep a module-level spread or read of another module's export. */
function rule(kernel: Kernel, dense: CellRule["dense"]): CellRule {
  return {
    name: "RNN",
    slots: 1,
    inputSlots: 1,
    hidden: [{ from: 0, slot: 0, count: 1 }],
    hasCell: false,
    carries: false,
    bias: add,
    forward(dtype, { count, H, gates, gatesStride, h, hStride }) {
      rnnCell.on(dtype)[kernel](gates, gatesStride, h, hStride, count, H);
    },
    backward(dtype, { count, H, gates, gatesStride, dy, dyStride, dh, dgates }) {
      rnnCell.on(dtype)[`${kernel}Grad`](dy, dyStride, dh, gates, dgates, gatesStride, count, H);
    },
    dense,
  };
}

const tanhRule = /* @__PURE__ */ rule("tanhCell", (sums) => ({ h: tanh(sums) }));
const reluRule = /* @__PURE__ */ rule("reluCell", (sums) => ({ h: relu(sums) }));

/** The rule of a nonlinearity; tanh by default. */
export function nonlinearityRule(where: string, nonlinearity: "tanh" | "relu" = "tanh"): CellRule {
  if (nonlinearity === "tanh") return tanhRule;
  if (nonlinearity === "relu") return reluRule;
  throw new UnsupportedError(where, "nonlinearity must be tanh or relu", { nonlinearity });
}
