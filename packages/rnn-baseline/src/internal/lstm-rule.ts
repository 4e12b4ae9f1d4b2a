import { add, sigmoid, slice, tanh, type Tensor } from "@heed/tensor";
import { lstmCell } from "../lstm-cell/lstm-cell.ts";
import type { CellRule } from "./cell-rule.ts";

/** Slots i, f, g, o. */
export const lstmRule: CellRule = {
  name: "LSTM",
  slots: 4,
  inputSlots: 4,
  hidden: [{ from: 0, slot: 0, count: 4 }],
  hasCell: true,
  carries: false,
  bias: add,
  forward(dtype, { count, H, gates, gatesStride, cPrev, c, h, hStride }) {
    lstmCell.on(dtype).lstmCell(gates, gates, gatesStride, cPrev, c, h, hStride, count, H);
  },
  backward(dtype, { count, H, gates, gatesStride, cPrev, c, dy, dyStride, dh, dc, dgates }) {
    lstmCell.on(dtype).lstmCellGrad(dy, dyStride, dh, dc, gates, dgates, gatesStride, cPrev, c, dc, count, H);
  },
  dense(sums, _h, before) {
    const H = sums.shape[1] / 4;
    const slot = (i: number): Tensor => slice(sums, 1, i * H, (i + 1) * H);
    const c = sigmoid(slot(1))
      .mul(before!)
      .add(sigmoid(slot(0)).mul(tanh(slot(2))));
    return { h: sigmoid(slot(3)).mul(tanh(c)), c };
  },
};
