import { add, relu, tanh, UnsupportedError } from "@heed/tensor";
import { rnnCell } from "../rnn-cell/rnn-cell.ts";
import type { CellRule } from "./cell-rule.ts";

const common = {
  name: "RNN",
  slots: 1,
  inputSlots: 1,
  hidden: [{ from: 0, slot: 0, count: 1 }],
  hasCell: false,
  carries: false,
  bias: add,
} as const;

const tanhRule: CellRule = {
  ...common,
  forward(dtype, { count, H, gates, gatesStride, h, hStride }) {
    rnnCell.on(dtype).tanhCell(gates, gatesStride, h, hStride, count, H);
  },
  backward(dtype, { count, H, gates, gatesStride, dy, dyStride, dh, dgates }) {
    rnnCell.on(dtype).tanhCellGrad(dy, dyStride, dh, gates, dgates, gatesStride, count, H);
  },
  dense: (sums) => ({ h: tanh(sums) }),
};

const reluRule: CellRule = {
  ...common,
  forward(dtype, { count, H, gates, gatesStride, h, hStride }) {
    rnnCell.on(dtype).reluCell(gates, gatesStride, h, hStride, count, H);
  },
  backward(dtype, { count, H, gates, gatesStride, dy, dyStride, dh, dgates }) {
    rnnCell.on(dtype).reluCellGrad(dy, dyStride, dh, gates, dgates, gatesStride, count, H);
  },
  dense: (sums) => ({ h: relu(sums) }),
};

/** The rule of a nonlinearity; tanh by default. */
export function nonlinearityRule(where: string, nonlinearity: "tanh" | "relu" = "tanh"): CellRule {
  if (nonlinearity === "tanh") return tanhRule;
  if (nonlinearity === "relu") return reluRule;
  throw new UnsupportedError(where, "nonlinearity must be tanh or relu", { nonlinearity });
}
