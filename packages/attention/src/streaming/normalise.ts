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
  type V128,
} from "@heed/kernels/assembler";
import { Constants, powerOfTwoBlock, sigmoidBlock } from "@heed/kernels/building-blocks";
import { NORMALISERS } from "./job.ts";
import { inPlace, acrossLanes, overRows, overVectors, padRow } from "./strip.ts";
import { PAIR, jobOf, workOf, type Int, type OF_WORK, type Work } from "./work.ts";

type Normalise = FunctionHandle<{ work: "i32"; state: "i32" }, "i32">;

/**
 * Offsets of what is known of each row so far: maximum (to be multiplied with the work's factor) and sum; of the last step the factor and the sum
 * before; a number of ROW_TRUST.
 */
export const ROW_BYTES = 20;
const [MAXIMUM, SUM, FACTOR, SUM_BEFORE, TRUST] = [0, 4, 8, 12, 16];
export const ROW_STATE = { MAXIMUM, SUM, FACTOR, TRUST } as const;

/** Whether a row's maximum is kept, not found yet, looked for in every strip, or lost just now, since its powers have grown large. */
export const ROW_TRUST = { kept: 2, none: 1, always: 0, lost: -1 } as const;

/** `e^x` of one number. */
export type Power = FunctionHandle<{ x: "f32" }, "f32">;

export function definePower(m: ModuleBuilder): Power {
  return m.internal("power", { params: { x: "f32" }, result: "f32" }, (f, { x }) => {
    const k = new Constants(f);
    const exp = powerOfTwoBlock(k, k.f32(Math.LOG2E));
    f.return(f32x4.extractLane(exp(f32x4.splat(x)), 0));
  });
}

/**
 * Turns a strip of scores into weights that are not divided yet, and carries maximum and sum of its rows on. `FACTOR` is what the rows' outputs so
 * far must be multiplied with; the result says whether any of them is not 1.
 * @param scores makes the strip again
 */
export function defineNormalise(m: ModuleBuilder, power: Power, scores: FunctionHandle<typeof OF_WORK, undefined>): Normalise {
  const softmax = defineSoftmax(m, power, scores);
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
      maximum.set(f32.mul(maximum, w.real("factor")));
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
    const [columns, column] = [w.local("columns"), w.local("column")];
    const [before, best, x] = f.locals("f32", 3);
    const [isRescaled, index, hasNaN] = f.locals("i32", 3);
    const nan = f.let(f32.const(NaN));
    overRows(f, w, (at, end) => {
      before.set(f32.load(state, MAXIMUM));
      best.set(before);
      index.set(-1);
      hasNaN.set(0);
      f.forRange(0, columns, 1, (j) => {
        x.set(f32.load(i32.add(at, i32.shl(j, 2))));
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

/**
 * `e^(factor · (score − most))` of a strip's scores. The difference comes first: so close scores of any size stay apart, and one key alone has a power of
 * exactly 1.
 */
export function powersBlock(f: FunctionBuilder, w: Work): (score: V128, most: V128) => Expression<"v128"> {
  const toBase2 = f.let(f32x4.splat(f32.mul(w.real("factor"), Math.LOG2E)));
  const exp = powerOfTwoBlock(new Constants(f), toBase2);
  return (score, most) => exp(f32x4.sub(score, most));
}

/** Bytes of scores that a first look for a maximum takes: 128 keys. */
const FIRST_LOOK = 512;
/** Most that the powers of a strip's row may sum up to before its maximum is looked for again: e^11, and more than any strip has keys. */
const MOST_OF_A_ROW = 2 ** 16;
/** Where a first look finds greater scores, or none, the row looks at all of them, and always: scores far apart would surprise it. */
const SHARP = 12;

/**
 * Online softmax, with maxima that are seldom looked for: any number near the greatest score serves as well, so a row keeps what the first of its keys gave
 * until its powers grow large. Then the strip is made again, and the row looks for its maximum in every strip from there on. Other rows of the
 * strip get the bits that they had: what a row sees of others would break causality.
 *
 * Milakov and Gimelshein 2018 (arXiv:1805.02867); to rescale seldom is an idea of FlashAttention-4.
 */
function defineSoftmax(m: ModuleBuilder, power: Power, scores: FunctionHandle<typeof OF_WORK, undefined>): Normalise {
  return m.internal("softmax", { params: { work: "i32", state: "i32" }, result: "i32" }, (f, { work, state }) => {
    const w = workOf(f, work);
    const powers = powersBlock(f, w);
    const lowest = f.let(f32x4.splat(-Infinity));
    const sharp = f.let(f32.div(SHARP, w.real("factor")));
    const zero = f.local("v128");
    const [left, right, most, sumLeft, sumRight] = f.locals("v128", 5);
    const [before, after, factor] = f.locals("f32", 3);
    const [isRescaled, from, until, trust, again] = f.locals("i32", 5);
    /** Rows that are trusted less look for their maximum: all that keep none, and the second time those that lost theirs. */
    const least = f.let(i32.const(ROW_TRUST.kept));
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
    f.doWhile(again, () => {
      overRows(f, w, (at, end) => {
        padRow(f, end, lowest);
        trust.set(i32.load(state, TRUST));
        f.if(i32.ltS(trust, least), () => {
          left.set(lowest);
          right.set(lowest);
          from.set(at);
          f.doWhile(i32.and(i32.ltU(from, end), i32.leS(trust, ROW_TRUST.always)), () => {
            until.set(i32.add(from, FIRST_LOOK));
            f.if(i32.or(i32.leS(trust, ROW_TRUST.always), i32.gtU(until, end)), () => until.set(end));
            overVectors(f, from, until, [], () => inTurn(left, right, (most, index) => f32x4.pmax(most, v128.load(from, 16 * index))), 64);
            joined(left, right);
            left.set(f32x4.pmax(left, right));
            after.set(acrossLanes(f, left, (a, b) => f32x4.pmax(a, b)));
            trust.set(i32.mul(trust, i32.and(f32.gt(after, -Infinity), f32.lt(after, sharp))));
          });
          before.set(f32.load(state, MAXIMUM));
          after.set(f32.max(before, after));
          factor.set(1);
          f.if(f32.ne(before, after), () => {
            f.store(state, after, MAXIMUM);
            // Of a first step there is nothing to rescale.
            f.if(f32.ne(before, -Infinity), () => {
              factor.set(f.call(power, { x: f32.mul(f32.sub(before, after), w.real("factor")) }));
              isRescaled.set(1);
            });
          });
          f.store(state, factor, FACTOR);
          f.store(state, i32.add(trust, i32.ne(trust, ROW_TRUST.always)), TRUST); // none → kept, lost → always
        });
        f.increment(state, ROW_BYTES);
      });
      // Rows in a loop of their own: a row's powers need not wait for the comparisons of its maximum.
      state.set(first);
      again.set(0);
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
            const weights = inPlace(f, from, 4, (score) => powers(score, most));
            inTurn(sumLeft, sumRight, (total, index) => f32x4.add(total, weights[index]));
          },
          64,
        );
        joined(sumLeft, sumRight);
        sumLeft.set(f32x4.add(sumLeft, sumRight));
        const sum = f.let(acrossLanes(f, sumLeft, (a, b) => f32x4.add(a, b)));
        // The first time; the second time begins where the first did.
        f.if(least, () => f.store(state, f32.load(state, SUM), SUM_BEFORE));
        f.store(state, f32.add(f32.mul(f32.load(state, SUM_BEFORE), f32.load(state, FACTOR)), sum), SUM);
        f.if(i32.and(i32.eqz(f32.le(sum, MOST_OF_A_ROW)), i32.eq(i32.load(state, TRUST), ROW_TRUST.kept)), () => {
          f.store(state, i32.const(ROW_TRUST.lost), TRUST);
          again.set(least);
        });
        f.increment(state, ROW_BYTES);
      });
      f.if(again, () => {
        f.call(scores, { work });
        least.set(ROW_TRUST.always);
        state.set(first);
      });
    });
    f.return(isRescaled);
  });
}
