import { f32, f32x4, v128, type FunctionHandle, type ModuleBuilder } from "@heed/kernels/assembler";
import { Constants, fastDecayBlock } from "@heed/kernels/building-blocks";
import { acrossLanes, overRows, overVectors } from "./strip.ts";
import { workOf } from "./work.ts";

/** Addresses of what is known of each row so far: maximum and sum, three float32 a row with the factor of the last step. */
export const ROW_BYTES = 12;
const [MAXIMUM, SUM, FACTOR] = [0, 4, 8];
export const ROW_STATE = { MAXIMUM, SUM, FACTOR } as const;

/**
 * Turns a strip of scores into weights that are not divided yet, and carries maximum and sum of its rows on. `FACTOR` is what the rows' outputs so
 * far must be multiplied with; the result says whether any of them is not 1.
 *
 * Online softmax: Milakov and Gimelshein 2018 (arXiv:1805.02867).
 */
export function defineSoftmax(m: ModuleBuilder): FunctionHandle<{ work: "i32"; state: "i32" }, "i32"> {
  return m.internal("softmax", { params: { work: "i32", state: "i32" }, result: "i32" }, (f, { work, state }) => {
    const w = workOf(f, work);
    const exp = fastDecayBlock(new Constants(f));
    const lowest = f.let(f32x4.splat(-Infinity));
    const scale = f.let(f32x4.splat(w.real("factor")));
    const zero = f.local("v128");
    const [left, right, most, sumLeft, sumRight, x] = f.locals("v128", 6);
    const [before, after, factor] = f.locals("f32", 3);
    const [isRescaled, from] = f.locals("i32", 2);
    overRows(f, w, (at, end) => {
      left.set(lowest);
      right.set(lowest);
      from.set(at);
      overVectors(f, from, end, [], () => {
        for (const [offset, greatest] of [
          [0, left],
          [16, right],
        ] as const) {
          x.set(f32x4.mul(v128.load(from, offset), scale));
          f.store(from, x, offset);
          greatest.set(f32x4.pmax(greatest, x));
        }
      });
      left.set(f32x4.pmax(left, right));
      before.set(f32.load(state, MAXIMUM));
      after.set(acrossLanes(f, left, (a, b) => f32x4.pmax(a, b)));
      f.if(f32.gt(before, after), () => after.set(before));
      factor.set(1);
      f.if(f32.ne(before, after), () => {
        f.store(state, after, MAXIMUM);
        // Of a first step there is nothing to rescale.
        f.if(f32.ne(before, -Infinity), () => {
          x.set(f32x4.splat(f32.sub(before, after)));
          factor.set(f32x4.extractLane(exp(x), 0));
          isRescaled.set(1);
        });
      });
      f.store(state, factor, FACTOR);
      most.set(f32x4.splat(after));
      most.set(v128.bitselect(zero, most, f32x4.eq(most, lowest)));
      sumLeft.set(zero);
      sumRight.set(zero);
      from.set(at);
      overVectors(f, from, end, [], () => {
        for (const [offset, total] of [
          [0, sumLeft],
          [16, sumRight],
        ] as const) {
          x.set(exp(f32x4.sub(v128.load(from, offset), most)));
          f.store(from, x, offset);
          total.set(f32x4.add(total, x));
        }
      });
      sumLeft.set(f32x4.add(sumLeft, sumRight));
      const sum = acrossLanes(f, sumLeft, (a, b) => f32x4.add(a, b));
      f.store(state, f32.add(f32.mul(f32.load(state, SUM), factor), sum), SUM);
      f.increment(state, ROW_BYTES);
    });
    f.return(isRescaled);
  });
}
