import { concat, sigmoid, slice, tanh, type Tensor } from "@heed/tensor";
import { gruCell } from "../gru-cell/gru-cell.ts";
import type { CellRule } from "./cell-rule.ts";

/** Slots r, z, n, and apart from n what the hidden state gives to it: r acts on that alone. */
export const gruRule: CellRule = {
  name: "GRU",
  slots: 4,
  inputSlots: 3,
  hidden: [
    { from: 0, slot: 0, count: 2 },
    { from: 2, slot: 3, count: 1 },
  ],
  hasCell: false,
  carries: true,
  bias(ih, hh) {
    const H = ih.shape[0] / 3;
    const part = (bias: Tensor, from: number, to: number) => slice(bias, 0, from * H, to * H);
    return concat([part(ih, 0, 2).add(part(hh, 0, 2)), part(ih, 2, 3), part(hh, 2, 3)], 0);
  },
  forward(dtype, { count, H, gates, gatesStride, hPrev, hPrevStride, h, hStride }) {
    gruCell.on(dtype).gruCell(gates, gatesStride, hPrev, hPrevStride, h, hStride, count, H);
  },
  backward(dtype, { count, H, gates, gatesStride, hPrev, hPrevStride, dy, dyStride, dh, dgates }) {
    gruCell.on(dtype).gruCellGrad(dy, dyStride, dh, gates, dgates, gatesStride, hPrev, hPrevStride, count, H);
  },
  dense(sums, before) {
    const H = sums.shape[1] / 4;
    const slot = (i: number): Tensor => slice(sums, 1, i * H, (i + 1) * H);
    const z = sigmoid(slot(1));
    const n = tanh(slot(2).add(sigmoid(slot(0)).mul(slot(3))));
    return { h: n.add(z.mul(before.sub(n))) };
  },
};
