import {
  f32,
  f32x4,
  i32,
  v128,
  type Expression,
  type FunctionBuilder,
  type FunctionHandle,
  type Local,
  type ModuleBuilder,
} from "@heed/kernels/assembler";
import { Constants, fastDecayBlock, sigmoidBlock } from "@heed/kernels/building-blocks";
import { NORMALISERS } from "./job.ts";
import { inPlace, acrossLanes, overRows, overVectors, padRow } from "./strip.ts";
import { PAIR, jobOf, workOf, type Int } from "./work.ts";

type Normalise = FunctionHandle<{ work: "i32"; state: "i32" }, "i32">;

/** Addresses of what is known of each row so far: maximum and sum, three float32 a row with the factor of the last step. */
export const ROW_BYTES = 12;
const [MAXIMUM, SUM, FACTOR] = [0, 4, 8];
export const ROW_STATE = { MAXIMUM, SUM, FACTOR } as const;

/** `e^x` of one number that is not above 0. */
export type Power = FunctionHandle<{ x: "f32" }, "f32">;

export function definePower(m: ModuleBuilder): Power {
  return m.internal("power", { params: { x: "f32" }, result: "f32" }, (f, { x }) => {
    const exp = fastDecayBlock(new Constants(f));
    f.return(f32x4.extractLane(exp(f32x4.splat(x)), 0));
  });
}

/**
 * Turns a strip of scores into weights that are not divided yet, and carries maximum and sum of its rows on. `FACTOR` is what the rows' outputs so
 * far must be multiplied with; the result says whether any of them is not 1.
 *
 * Online softmax: Milakov and Gimelshein 2018 (arXiv:1805.02867).
 */
export function defineNormalise(m: ModuleBuilder, power: Power): Normalise {
  const softmax = defineSoftmax(m, power);
  const eachByItself = defineEachByItself(m);
  const hard = defineHard(m);
  return m.internal("normalise", { params: { work: "i32", state: "i32" }, result: "i32" }, (f, { work, state }) => {
    const kind = f.let(jobOf(f, workOf(f, work).local("job")).int("normaliser"));
    f.if(i32.eqz(kind), () => f.return(f.call(softmax, { work, state })));
    f.if(i32.eq(kind, NORMALISERS.hard), () => f.return(f.call(hard, { work, state })));
    f.call(eachByItself, { work, state });
    f.return(0);
  });
}

/**
 * What a row's weights are multiplied with in the end: 1 / sum, with the part of a sink in the sum, where there is a sum; 0 where nothing is open.
 */
export function defineShare(m: ModuleBuilder, power: Power): FunctionHandle<{ work: "i32"; maximum: "f32"; sum: "f32" }, "f32"> {
  return m.internal("share", { params: { work: "i32", maximum: "f32", sum: "f32" }, result: "f32" }, (f, { work, maximum, sum }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const kind = job.local("normaliser");
    f.if(i32.and(i32.geS(kind, NORMALISERS.sigmoid), i32.ne(kind, NORMALISERS.topK)), () => f.return(1));
    f.if(f32.eq(sum, 0), () => f.return(0));
    f.if(job.int("sink"), () => {
      const sink = f.let(f32.load(job.address("sink", [w.int("h"), "sinkHead"])));
      // Both relative to the greater of the two.
      const most = f.let(maximum);
      f.if(f32.gt(sink, maximum), () => most.set(sink));
      const ofKeys = f.let(f.call(power, { x: f32.sub(maximum, most) }));
      f.return(f32.div(ofKeys, f32.add(f32.mul(sum, ofKeys), f.call(power, { x: f32.sub(sink, most) }))));
    });
    f.return(f32.div(1, sum));
  });
}

/** The weight that a score has by itself (relu undivided), of which none of them is softmax's or hard's. */
export function weightBlock(f: FunctionBuilder, kind: Int, bias: Local<"v128">): (x: Local<"v128">, weight: Local<"v128">) => void {
  const sigmoid = sigmoidBlock(new Constants(f));
  const lowest = f.let(f32x4.splat(-Infinity));
  const [zero, shifted] = f.locals("v128", 2);
  return (x, weight) => {
    f.if(
      i32.ltS(kind, NORMALISERS.sigmoid),
      () => weight.set(f32x4.pmax(x, zero)),
      () =>
        f.if(
          i32.eq(kind, NORMALISERS.sigmoid),
          () => {
            shifted.set(f32x4.add(x, bias));
            weight.set(sigmoid(shifted).value);
          },
          () => weight.set(v128.andnot(x, f32x4.eq(x, lowest))),
        ),
    );
  };
}

/** relu, sigmoid and identity: sums are of weights (reluSum), of open pairs (reluCount), or 1. */
function defineEachByItself(m: ModuleBuilder): FunctionHandle<{ work: "i32"; state: "i32" }, undefined> {
  return m.internal("eachByItself", { params: { work: "i32", state: "i32" } }, (f, { work, state }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const kind = job.local("normaliser");
    const bias = f.let(f32x4.splat(job.real("sigmoidBias")));
    const weigh = weightBlock(f, kind, bias);
    const scale = f.let(f32x4.splat(w.real("factor")));
    const [lowest, one] = [f.let(f32x4.splat(-Infinity)), f.let(f32x4.splat(1))];
    const [x, weight, sum, zero] = f.locals("v128", 4);
    const from = f.local("i32");
    const counts = f.let(i32.eq(kind, NORMALISERS.reluCount));
    overRows(f, w, (at, end) => {
      from.set(at);
      sum.set(zero);
      overVectors(f, from, end, [], () => {
        for (const offset of [0, 16]) {
          x.set(f32x4.mul(v128.load(from, offset), scale));
          weigh(x, weight);
          f.store(from, weight, offset);
          f.if(counts, () => weight.set(v128.andnot(one, f32x4.eq(x, lowest))));
          sum.set(f32x4.add(sum, weight));
        }
      });
      f.if(
        i32.ltS(kind, NORMALISERS.sigmoid),
        () =>
          f.store(
            state,
            f32.add(
              f32.load(state, SUM),
              acrossLanes(f, sum, (a, b) => f32x4.add(a, b)),
            ),
            SUM,
          ),
        () => f.store(state, f32.const(1), SUM),
      );
      f.increment(state, ROW_BYTES);
    });
  });
}

/** 1 for the highest score so far, which takes the place of the one before; its key is the row's sum. A NaN stays. */
function defineHard(m: ModuleBuilder): Normalise {
  return m.internal("hard", { params: { work: "i32", state: "i32" }, result: "i32" }, (f, { work, state }) => {
    const w = workOf(f, work);
    const [columns, column, scale] = [w.local("columns"), w.local("column"), f.let(w.real("factor"))];
    const [before, best, x] = f.locals("f32", 3);
    const [isRescaled, index, hasNaN] = f.locals("i32", 3);
    const nan = f.let(f32.const(NaN));
    overRows(f, w, (at, end) => {
      before.set(f32.load(state, MAXIMUM));
      best.set(before);
      index.set(-1);
      hasNaN.set(0);
      f.forRange(0, columns, 1, (j) => {
        x.set(f32.mul(f32.load(i32.add(at, i32.shl(j, 2))), scale));
        f.if(f32.gt(x, best), () => {
          best.set(x);
          index.set(j);
        });
        hasNaN.set(i32.or(hasNaN, f32.ne(x, x)));
      });
      f.memoryFill(at, 0, i32.sub(end, at));
      f.store(state, f32.const(1), FACTOR);
      f.if(i32.geS(index, 0), () => {
        f.store(i32.add(at, i32.shl(index, 2)), f32.const(1));
        f.store(state, best, MAXIMUM);
        f.if(f32.eq(f32.load(state, SUM), f32.load(state, SUM)), () => f.store(state, f32.convertI32S(i32.add(column, index)), SUM));
        f.if(f32.ne(before, -Infinity), () => {
          f.store(state, f32.const(0), FACTOR);
          isRescaled.set(1);
        });
      });
      f.if(hasNaN, () => {
        f.store(state, nan, SUM);
        f.forRange(0, columns, 1, (j) => f.store(i32.add(at, i32.shl(j, 2)), nan));
      });
      f.increment(state, ROW_BYTES);
    });
    f.return(isRescaled);
  });
}

/** Online softmax. */
function defineSoftmax(m: ModuleBuilder, power: Power): Normalise {
  return m.internal("softmax", { params: { work: "i32", state: "i32" }, result: "i32" }, (f, { work, state }) => {
    const w = workOf(f, work);
    const exp = fastDecayBlock(new Constants(f));
    const lowest = f.let(f32x4.splat(-Infinity));
    const scale = f.let(f32x4.splat(w.real("factor")));
    const zero = f.local("v128");
    const [left, right, most, sumLeft, sumRight] = f.locals("v128", 5);
    const [before, after, factor] = f.locals("f32", 3);
    const [isRescaled, from] = f.locals("i32", 2);
    /** What two locals hold goes through memory in the wide build: only from stores does the engine see that a loop carries a pair. */
    const joined = (one: Local<"v128">, other: Local<"v128">): void => {
      if (f.build !== "wide") return;
      [one, other].forEach((half, side) => f.store(work, half, PAIR + 16 * side));
      [one, other].forEach((half, side) => half.set(v128.load(work, PAIR + 16 * side)));
    };
    /** Four vectors to two locals in turn. */
    const inTurn = (one: Local<"v128">, other: Local<"v128">, value: (local: Local<"v128">, index: number) => Expression<"v128">): void =>
      [one, other, one, other].forEach((local, index) => local.set(value(local, index)));
    const first = f.let(state);
    overRows(f, w, (at, end) => {
      left.set(lowest);
      right.set(lowest);
      from.set(at);
      padRow(f, end, lowest);
      // The factor is above 0: the greatest score times it is the greatest of all times it.
      overVectors(f, from, end, [], () => inTurn(left, right, (most, index) => f32x4.pmax(most, v128.load(from, 16 * index))), 64);
      joined(left, right);
      left.set(f32x4.mul(f32x4.pmax(left, right), scale));
      before.set(f32.load(state, MAXIMUM));
      after.set(acrossLanes(f, left, (a, b) => f32x4.pmax(a, b)));
      f.if(f32.gt(before, after), () => after.set(before));
      factor.set(1);
      f.if(f32.ne(before, after), () => {
        f.store(state, after, MAXIMUM);
        // Of a first step there is nothing to rescale.
        f.if(f32.ne(before, -Infinity), () => {
          factor.set(f.call(power, { x: f32.sub(before, after) }));
          isRescaled.set(1);
        });
      });
      f.store(state, factor, FACTOR);
      f.increment(state, ROW_BYTES);
    });
    // Rows in a loop of their own: a row's powers need not wait for the comparisons of its maximum.
    state.set(first);
    overRows(f, w, (at, end) => {
      most.set(v128.load32Splat(state, MAXIMUM));
      most.set(v128.bitselect(zero, most, f32x4.eq(most, lowest)));
      sumLeft.set(zero);
      sumRight.set(zero);
      from.set(at);
      overVectors(
        f,
        from,
        end,
        [],
        () => {
          const weights = inPlace(f, from, 4, (score) => exp(f32x4.sub(f32x4.mul(score, scale), most)));
          inTurn(sumLeft, sumRight, (total, index) => f32x4.add(total, weights[index]));
        },
        64,
      );
      joined(sumLeft, sumRight);
      sumLeft.set(f32x4.add(sumLeft, sumRight));
      const sum = acrossLanes(f, sumLeft, (a, b) => f32x4.add(a, b));
      f.store(state, f32.add(f32.mul(f32.load(state, SUM), f32.load(state, FACTOR)), sum), SUM);
      f.increment(state, ROW_BYTES);
    });
    f.return(isRescaled);
  });
}
