import { add, sigmoid, slice, tanh, type Tensor } from "@heed/tensor";
import { lstmShape } from "../sequence/cell-shape.ts";
import type { CellRule } from "./cell-rule.ts";

export const lstmRule: CellRule = {
  name: "LSTM",
  shape: lstmShape,
  kernel: "lstm",
  bias: add,
  dense(sums, _h, before) {
    const H = sums.shape[1] / 4;
    const slot = (i: number): Tensor => slice(sums, 1, i * H, (i + 1) * H);
    const c = sigmoid(slot(1))
      .mul(before!)
      .add(sigmoid(slot(0)).mul(tanh(slot(2))));
    return { h: sigmoid(slot(3)).mul(tanh(c)), c };
  },
};
