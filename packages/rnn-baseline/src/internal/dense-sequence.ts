import { concat, linear, reshape, slice, stack, tensor, where, zeros, type Tensor } from "@heed/tensor";
import type { CellRule } from "./cell-rule.ts";
import type { Direction, SequenceResult } from "./recurrent-sequence.ts";

/** `recurrentSequence` written with operations, step by step: what defines it, and its second derivative. */
export function denseSequence(
  rule: CellRule,
  x: Tensor,
  directions: readonly Direction[],
  lengths: readonly number[] | undefined,
): SequenceResult {
  const [B, L] = x.shape;
  const ends = lengths ?? Array<number>(B).fill(L);
  const results = directions.map(({ reverse, weightIh, weightHh, bias, h0, c0 }) => {
    const H = weightHh.shape[1];
    const empty = zeros([B, H], { dtype: x.dtype });
    const slots = slotsOf(rule, weightHh, H);
    let h = h0 ?? empty;
    let c = rule.shape.hasCell ? (c0 ?? empty) : undefined;
    const outputs: Tensor[] = [];
    for (let i = 0; i < L; i++) {
      const t = reverse ? L - 1 - i : i;
      const open = reshape(
        tensor(
          Uint8Array.from(ends, (end) => Number(t < end)),
          { dtype: "bool" },
        ),
        [B, 1],
      );
      const now = where(open, reshape(slice(x, 1, t, t + 1), [B, x.shape[2]]), 0);
      const projected = linear(now, weightIh);
      const spare = (rule.shape.slots - rule.shape.inputSlots) * H;
      const wide = spare === 0 ? projected : concat([projected, zeros([B, spare], { dtype: x.dtype })], 1);
      const sums = wide.add(linear(h, slots));
      const next = rule.dense(bias === undefined ? sums : sums.add(bias), h, c);
      h = where(open, next.h, h);
      if (c !== undefined) c = where(open, next.c!, c);
      outputs[t] = where(open, next.h, 0);
    }
    return { output: L === 0 ? zeros([B, 0, H], { dtype: x.dtype }) : stack(outputs, 1), h, c };
  });
  return {
    output: concat(
      results.map(({ output }) => output),
      2,
    ),
    h: stack(
      results.map(({ h }) => h),
      0,
    ),
    c: rule.shape.hasCell
      ? stack(
          results.map(({ c }) => c!),
          0,
        )
      : undefined,
  };
}

/** The hidden weight with a block for every slot: zeros where the hidden state does not reach. */
function slotsOf({ shape: { slots, hidden } }: CellRule, weightHh: Tensor, H: number): Tensor {
  if (hidden.length === slots) return weightHh;
  const blocks = Array.from({ length: slots }, (_, slot) => {
    const block = hidden.indexOf(slot);
    return block < 0 ? zeros([H, H], { dtype: weightHh.dtype }) : slice(weightHh, 0, block * H, (block + 1) * H);
  });
  return concat(blocks, 0);
}
