import { concat, sigmoid, slice, tanh, type Tensor } from "@heed/tensor";
import { gruShape } from "../sequence/cell-shape.ts";
import type { CellRule } from "./cell-rule.ts";

export const gruRule: CellRule = {
  name: "GRU",
  shape: gruShape,
  kernel: "gru",
  bias(ih, hh) {
    const H = ih.shape[0] / 3;
    const part = (bias: Tensor, from: number, to: number) => slice(bias, 0, from * H, to * H);
    return concat([part(ih, 0, 2).add(part(hh, 0, 2)), part(ih, 2, 3), part(hh, 2, 3)], 0);
  },
  dense(sums, before) {
    const H = sums.shape[1] / 4;
    const slot = (i: number): Tensor => slice(sums, 1, i * H, (i + 1) * H);
    const z = sigmoid(slot(1));
    const n = tanh(slot(2).add(sigmoid(slot(0)).mul(slot(3))));
    return { h: n.add(z.mul(before.sub(n))) };
  },
};
