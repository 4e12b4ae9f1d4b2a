import { expect } from "vitest";
import type { Tensor } from "@heed/tensor";
import type { MaskForm } from "@heed/tensor/terms";

/** Whether a lowered mask opens the pairs of its dense form, `[batches, heads, L, S]`; of ranges also that they ascend with gaps between. */
export function expectSame(form: MaskForm, dense: Tensor, L: number, S: number): void {
  const bits = dense.toTypedArray();
  const [batches, heads] = dense.shape;
  expect([form.batches, form.heads]).toEqual([batches, heads]);
  const [down, across] = [Math.ceil(L / 64), Math.ceil(S / 64)];
  const opens = (group: number, i: number, j: number): number => {
    if (form.form === "ranges") {
      const at = (group * L + i) * form.ranges * 2;
      const own = form.bounds.subarray(at, at + form.ranges * 2);
      if (own.length === 4 && own[2] < own[3] && !(own[0] < own[1] && own[1] < own[2])) throw new Error(`ranges ${own.join()} of row ${i}`);
      return Number((j >= own[0] && j < own[1]) || (j >= own[2] && j < own[3]));
    }
    const tile = (group * down + (i >> 6)) * across + (j >> 6);
    const bit = (i % 64) * 64 + (j % 64);
    return form.verdicts[tile] === 2 ? (form.bits[form.bitsAt[tile] + (bit >> 3)] >> (bit & 7)) & 1 : form.verdicts[tile];
  };
  for (let at = 0; at < bits.length; at++) {
    const [j, i, group] = [at % S, Math.floor(at / S) % L, Math.floor(at / (L * S))];
    if (opens(group, i, j) !== bits[at]) throw new Error(`pair ${i}, ${j} of ${group}: not ${bits[at]}`);
  }
}
