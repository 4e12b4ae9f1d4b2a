import { f32, f32x4, i32, v128, type FunctionBuilder, type FunctionHandle, type Local, type ModuleBuilder } from "@heed/kernels/assembler";
import { Constants, fastDecayBlock } from "@heed/kernels/building-blocks";
import { NORMALISERS } from "./job.ts";
import { ROW_BYTES, ROW_STATE } from "./normalise.ts";
import { savedAt } from "./setup.ts";
import { acrossLanes, overRows, overVectors } from "./strip.ts";
import { jobOf, workOf, type Work } from "./work.ts";

// Normalisers that need whole rows: topK, sparsemax, entmax15, and hard where a softmax lends it a gradient. What a row's weights take
// besides its scores is a threshold, so a row is searched for it in sweeps over its strips, each of which leaves a few sums per row: no
// sweep needs more than one strip at a time. Scores that are held are computed once.

/** What is known of a row's threshold: float32 but for STAGE and TURN. The sums are of the last sweep. */
const [THRESHOLD, TIE, STAGE, TURN, COUNT, SUM, SQUARES] = [0, 4, 8, 12, 16, 20, 24];
/** topK: the k-th score lies in [LOW, HIGH); COUNT_LOW > k scores reach LOW, COUNT_HIGH < k reach HIGH. */
const [LOW, HIGH, COUNT_LOW, COUNT_HIGH] = [28, 32, 36, 40];
export const HOLD_BYTES = 48;
/** What the next sweep is for: the greatest score; sums that move the threshold; the last of equal keys that is kept; nothing more. */
const [FIRST, SEARCH, TIES, DONE] = [0, 1, 2, 3];
/** A key beyond all others. */
const NO_TIE = 3e38;
/** Newton's method ends before, wherever it begins; rounding might keep it from that. */
const MOST_TURNS = 64;
/** A step of the threshold of entmax15 that moves no weight by more than 2^-36. */
const SMALL_STEP = 2 ** -18;

const OF_STRIP = { work: "i32", state: "i32", hold: "i32" } as const;
const OF_ROW = { job: "i32", hold: "i32", maximum: "f32" } as const;
/** After a sweep: moves the threshold of a row, and gives what the next sweep is for. */
type Turn = FunctionHandle<typeof OF_ROW, "i32">;

export interface HoldFunctions {
  /** Before the first sweep over some rows. */
  readonly begin: FunctionHandle<{ hold: "i32"; rows: "i32" }, undefined>;
  /** In a sweep: adds a strip to what is known of its rows. */
  readonly measure: FunctionHandle<typeof OF_STRIP, undefined>;
  /** After a sweep: how many of the rows need another one. */
  readonly advance: FunctionHandle<{ work: "i32"; state: "i32"; hold: "i32"; rows: "i32" }, "i32">;
  /** In the last sweep: turns a strip of scores into weights. A row's sum is of what backward divides by (topK: the weights too). */
  readonly weigh: FunctionHandle<typeof OF_STRIP, undefined>;
  /** Writes the thresholds of rows from `row` on. */
  readonly save: FunctionHandle<{ work: "i32"; hold: "i32"; row: "i32"; rows: "i32" }, undefined>;
}

export function defineHold(m: ModuleBuilder): HoldFunctions {
  const begin = m.internal("beginHold", { params: { hold: "i32", rows: "i32" } }, (f, { hold, rows }) => {
    f.forRange(0, rows, 1, () => {
      f.memoryFill(hold, 0, HOLD_BYTES);
      f.store(hold, f32.const(Infinity), LOW);
      f.store(hold, f32.const(NO_TIE), TIE);
      f.increment(hold, HOLD_BYTES);
    });
  });
  const save = m.internal("saveHold", { params: { work: "i32", hold: "i32", row: "i32", rows: "i32" } }, (f, { work, hold, row, rows }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const [thresholds, ties, saved] = [job.local("rowThreshold"), job.local("rowTie"), f.local("i32")];
    f.forRange(0, rows, 1, () => {
      saved.set(savedAt(w, job, row));
      f.if(thresholds, () => f.store(i32.add(thresholds, saved), f32.load(hold, THRESHOLD)));
      f.if(ties, () => f.store(i32.add(ties, saved), f32.load(hold, TIE)));
      f.increment(row, 1);
      f.increment(hold, HOLD_BYTES);
    });
  });
  return { begin, measure: defineMeasure(m), advance: defineAdvance(m), weigh: defineWeigh(m), save };
}

function defineMeasure(m: ModuleBuilder): FunctionHandle<typeof OF_STRIP, undefined> {
  return m.internal("measure", { params: OF_STRIP }, (f, { work, state, hold }) => {
    const w = workOf(f, work);
    const kind = f.let(jobOf(f, w.local("job")).int("normaliser"));
    const [lowest, highest, one] = [-Infinity, Infinity, 1].map((value) => f.let(f32x4.splat(value)));
    const factor = f.let(f32x4.splat(0.5));
    f.if(i32.eq(kind, NORMALISERS.sparsemax), () => factor.set(one));
    const [zero, greatest, least, count, nans, x, threshold, maximum, sum, squares] = f.locals("v128", 10);
    const [from, stage, remaining] = f.locals("i32", 3);
    const most = f.local("f32");
    const add = (to: number, value: Local<"v128">) => {
      const total = acrossLanes(f, value, (a, b) => f32x4.add(a, b));
      f.store(hold, f32.add(f32.load(hold, to), total), to);
    };
    overRows(f, w, (at, end) => {
      from.set(at);
      stage.set(i32.load(hold, STAGE));
      f.if(i32.eq(stage, FIRST), () => {
        greatest.set(lowest);
        least.set(highest);
        count.set(zero);
        nans.set(zero);
        overVectors(f, from, end, [], () => {
          for (const offset of [0, 16]) {
            x.set(v128.load(from, offset));
            greatest.set(f32x4.pmax(greatest, x));
            nans.set(v128.or(nans, f32x4.ne(x, x)));
            const open = f.let(f32x4.ne(x, lowest));
            least.set(f32x4.pmin(least, v128.bitselect(x, highest, open)));
            count.set(f32x4.add(count, v128.and(one, open)));
          }
        });
        most.set(acrossLanes(f, greatest, (a, b) => f32x4.pmax(a, b)));
        f.if(v128.anyTrue(nans), () => most.set(NaN));
        // A NaN stays: nothing is greater.
        f.if(i32.or(f32.gt(most, f32.load(state, ROW_STATE.MAXIMUM)), f32.ne(most, most)), () => f.store(state, most, ROW_STATE.MAXIMUM));
        most.set(acrossLanes(f, least, (a, b) => f32x4.pmin(a, b)));
        f.if(f32.lt(most, f32.load(hold, LOW)), () => f.store(hold, most, LOW));
        add(COUNT, count);
      });
      f.if(i32.eq(stage, SEARCH), () => {
        threshold.set(v128.load32Splat(hold, THRESHOLD));
        maximum.set(v128.load32Splat(state, ROW_STATE.MAXIMUM));
        for (const total of [count, sum, squares]) total.set(zero);
        f.if(
          i32.eq(kind, NORMALISERS.topK),
          () =>
            overVectors(f, from, end, [], () => {
              for (const offset of [0, 16]) count.set(f32x4.add(count, v128.and(one, f32x4.ge(v128.load(from, offset), threshold))));
            }),
          () =>
            overVectors(f, from, end, [], () => {
              for (const offset of [0, 16]) {
                x.set(f32x4.mul(f32x4.sub(v128.load(from, offset), maximum), factor));
                x.set(f32x4.pmax(f32x4.sub(x, threshold), zero));
                sum.set(f32x4.add(sum, x));
                squares.set(f.madd(x, x, squares));
                count.set(f32x4.add(count, v128.and(one, f32x4.gt(x, zero))));
              }
            }),
        );
        add(COUNT, count);
        add(SUM, sum);
        add(SQUARES, squares);
      });
      f.if(i32.eq(stage, TIES), () => {
        // As many are still to be kept as COUNT says; strips come in the order of keys.
        remaining.set(i32.truncSatF32S(f32.load(hold, COUNT)));
        f.forRange(0, w.int("columns"), 1, (j) => {
          const equal = f32.eq(f32.load(i32.add(at, i32.shl(j, 2))), f32.load(hold, THRESHOLD));
          f.if(i32.and(i32.gtS(remaining, 0), equal), () => {
            f.increment(remaining, -1);
            f.store(hold, f32.convertI32S(i32.add(w.int("column"), j)), TIE);
          });
        });
        f.store(hold, f32.convertI32S(remaining), COUNT);
      });
      f.increment(state, ROW_BYTES);
      f.increment(hold, HOLD_BYTES);
    });
  });
}

function defineAdvance(m: ModuleBuilder): HoldFunctions["advance"] {
  const [topK, sparsemax, entmax15] = [defineTopKTurn(m), defineSparsemaxTurn(m), defineEntmaxTurn(m)];
  const params = { work: "i32", state: "i32", hold: "i32", rows: "i32" } as const;
  return m.internal("advance", { params, result: "i32" }, (f, { work, state, hold, rows }) => {
    const job = f.let(workOf(f, work).int("job"));
    const kind = f.let(jobOf(f, job).int("normaliser"));
    const [stage, unfinished] = f.locals("i32", 2);
    const maximum = f.local("f32");
    f.forRange(0, rows, 1, () => {
      f.if(i32.ne(i32.load(hold, STAGE), DONE), () => {
        maximum.set(f32.load(state, ROW_STATE.MAXIMUM));
        stage.set(DONE);
        f.if(
          f32.eq(f32.sub(maximum, maximum), 0),
          () => {
            f.if(i32.eq(kind, NORMALISERS.topK), () => stage.set(f.call(topK, { job, hold, maximum })));
            f.if(i32.eq(kind, NORMALISERS.sparsemax), () => stage.set(f.call(sparsemax, { job, hold, maximum })));
            f.if(i32.eq(kind, NORMALISERS.entmax15), () => stage.set(f.call(entmax15, { job, hold, maximum })));
            f.if(i32.and(i32.eq(kind, NORMALISERS.straightThrough), i32.eqz(i32.load(hold, TURN))), () => {
              // The first key of the greatest score.
              f.store(hold, maximum, THRESHOLD);
              f.store(hold, f32.const(1), COUNT);
              stage.set(TIES);
            });
            f.if(i32.ne(stage, TIES), () => f.store(hold, f32.const(0), COUNT));
            f.store(hold, f32.const(0), SUM);
            f.store(hold, f32.const(0), SQUARES);
          },
          // Nothing is open, or something is NaN or ∞: then all weights of the row are NaN.
          () => f.if(f32.ne(maximum, -Infinity), () => f.store(state, f32.const(NaN), ROW_STATE.MAXIMUM)),
        );
        f.store(hold, stage, STAGE);
        f.store(hold, i32.add(i32.load(hold, TURN), 1), TURN);
        f.increment(unfinished, i32.ne(stage, DONE));
      });
      f.increment(state, ROW_BYTES);
      f.increment(hold, HOLD_BYTES);
    });
    f.return(unfinished);
  });
}

/**
 * The k-th score, exactly: bounds from above and below close in on it. The next place to look at is where it would lie if scores were
 * spread evenly; every third turn, and where that leads nowhere, it is the middle of the floats between the bounds: so 96 turns are enough
 * for any row.
 */
function defineTopKTurn(m: ModuleBuilder): Turn {
  /** Integers in the order of the floats of these bits; its own inverse. */
  const order = m.internal("order", { params: { bits: "i32" }, result: "i32" }, (f, { bits }) =>
    f.return(i32.xor(bits, i32.and(i32.shrS(bits, 31), 0x7fffffff))),
  );
  return m.internal("topKTurn", { params: OF_ROW, result: "i32" }, (f, { job, hold, maximum }) => {
    const kept = f.let(f32.convertI32S(jobOf(f, job).int("topK")));
    const count = f.let(f32.load(hold, COUNT));
    const turn = f.let(i32.load(hold, TURN));
    const [low, high, middle] = f.locals("f32", 3);
    const [ofLow, ofHigh] = f.locals("i32", 2);
    f.if(i32.eq(i32.load(hold, STAGE), TIES), () => f.return(DONE));
    f.if(
      i32.eqz(turn),
      () => {
        f.if(f32.le(count, kept), () => {
          f.store(hold, f32.const(-Infinity), THRESHOLD);
          f.return(DONE);
        });
        f.store(hold, count, COUNT_LOW);
        ofHigh.set(f.call(order, { bits: i32.reinterpretF32(maximum) }));
        f.store(hold, f.call(order, { bits: i32.add(ofHigh, 1) }), HIGH);
      },
      () => {
        f.if(f32.eq(count, kept), () => f.return(DONE));
        f.if(
          f32.gt(count, kept),
          () => {
            f.store(hold, f32.load(hold, THRESHOLD), LOW);
            f.store(hold, count, COUNT_LOW);
          },
          () => {
            f.store(hold, f32.load(hold, THRESHOLD), HIGH);
            f.store(hold, count, COUNT_HIGH);
          },
        );
      },
    );
    low.set(f32.load(hold, LOW));
    high.set(f32.load(hold, HIGH));
    ofLow.set(f.call(order, { bits: i32.reinterpretF32(low) }));
    ofHigh.set(f.call(order, { bits: i32.reinterpretF32(high) }));
    f.if(i32.eq(ofHigh, i32.add(ofLow, 1)), () => {
      // More scores than are kept equal the lower bound: those of the lowest keys are.
      f.store(hold, low, THRESHOLD);
      f.store(hold, f32.sub(kept, f32.load(hold, COUNT_HIGH)), COUNT);
      f.return(TIES);
    });
    const above = f32.sub(f32.load(hold, COUNT_LOW), kept);
    const fraction = f32.div(above, f32.sub(f32.load(hold, COUNT_LOW), f32.load(hold, COUNT_HIGH)));
    middle.set(f32.add(low, f32.mul(f32.sub(high, low), fraction)));
    const isBetween = i32.and(f32.gt(middle, low), f32.lt(middle, high));
    f.if(i32.or(i32.eqz(isBetween), i32.eq(i32.remU(turn, 3), 2)), () => {
      const between = i32.add(i32.and(ofLow, ofHigh), i32.shrS(i32.xor(ofLow, ofHigh), 1));
      middle.set(f32.reinterpretI32(f.call(order, { bits: between })));
    });
    f.store(hold, middle, THRESHOLD);
    f.return(SEARCH);
  });
}

/**
 * Σ max(d − τ, 0) = 1 for the differences d from the greatest score, by Newton's method from below (Michelot 1986): each step solves the
 * equation for the keys above the threshold so far; when these stay the same, the solution is exact.
 */
function defineSparsemaxTurn(m: ModuleBuilder): Turn {
  return m.internal("sparsemaxTurn", { params: OF_ROW, result: "i32" }, (f, { hold }) => {
    const [count, before] = [f.let(f32.load(hold, COUNT)), f.let(f32.load(hold, COUNT_LOW))];
    const turn = f.let(i32.load(hold, TURN));
    f.if(i32.eqz(turn), () => {
      f.store(hold, f32.const(-1), THRESHOLD);
      f.store(hold, f32.const(Infinity), COUNT_LOW);
      f.return(SEARCH);
    });
    f.store(hold, f32.add(f32.load(hold, THRESHOLD), f32.div(f32.sub(f32.load(hold, SUM), 1), count)), THRESHOLD);
    f.store(hold, count, COUNT_LOW);
    f.if(i32.or(f32.ge(count, before), i32.geS(turn, MOST_TURNS)), () => f.return(DONE));
    f.return(SEARCH);
  });
}

/**
 * Σ x² = 1, x = max(d / 2 − τ, 0), by Newton's method on √Σ x², from below; the last step solves the quadratic equation of the keys above
 * the threshold.
 */
function defineEntmaxTurn(m: ModuleBuilder): Turn {
  return m.internal("entmaxTurn", { params: OF_ROW, result: "i32" }, (f, { hold }) => {
    const turn = f.let(i32.load(hold, TURN));
    f.if(i32.eqz(turn), () => {
      f.store(hold, f32.const(-1), THRESHOLD);
      f.return(SEARCH);
    });
    const [sum, squares] = [f.let(f32.load(hold, SUM)), f.let(f32.load(hold, SQUARES))];
    const excess = f.let(f32.sub(squares, 1));
    const step = f.let(f32.div(f32.sub(squares, f32.sqrt(squares)), sum));
    f.if(i32.and(f32.gt(step, SMALL_STEP), i32.ltS(turn, MOST_TURNS)), () => {
      f.store(hold, f32.add(f32.load(hold, THRESHOLD), step), THRESHOLD);
      f.return(SEARCH);
    });
    const radicand = f32.sub(f32.mul(sum, sum), f32.mul(f32.load(hold, COUNT), excess));
    step.set(f32.div(excess, f32.add(sum, f32.sqrt(f32.max(radicand, 0)))));
    f.store(hold, f32.add(f32.load(hold, THRESHOLD), step), THRESHOLD);
    f.return(DONE);
  });
}

function defineWeigh(m: ModuleBuilder): FunctionHandle<typeof OF_STRIP, undefined> {
  return m.internal("weigh", { params: OF_STRIP }, (f, { work, state, hold }) => {
    const w = workOf(f, work);
    const weight = heldWeightBlock(f, w);
    const [x, sum, nans, zero] = f.locals("v128", 4);
    const from = f.local("i32");
    overRows(f, w, (at, end) => {
      from.set(at);
      sum.set(zero);
      const maximum = f.let(v128.load32Splat(state, ROW_STATE.MAXIMUM));
      maximum.set(v128.bitselect(zero, maximum, f32x4.eq(maximum, weight.lowest)));
      nans.set(f32x4.ne(maximum, maximum));
      const each = weight.row(maximum, f.let(v128.load32Splat(hold, THRESHOLD)), f.let(v128.load32Splat(hold, TIE)));
      overVectors(f, from, end, [], () => {
        for (const offset of [0, 16]) {
          x.set(v128.load(from, offset));
          const { weights, divisors } = each(x);
          sum.set(f32x4.add(sum, divisors));
          f.store(from, v128.andnot(v128.or(weights, nans), f32x4.eq(x, weight.lowest)), offset);
        }
      });
      const total = acrossLanes(f, sum, (a, b) => f32x4.add(a, b));
      f.store(state, f32.add(f32.load(state, ROW_STATE.SUM), total), ROW_STATE.SUM);
      f.increment(state, ROW_BYTES);
      f.increment(hold, HOLD_BYTES);
    });
  });
}

interface HeldWeights {
  readonly weights: Local<"v128">;
  /** What is summed up per row: topK the weights, straightThrough those of the softmax, else slopes of weights, 1 or their square root. */
  readonly divisors: Local<"v128">;
}

/** Weights of scores by the threshold of their row. Scores come in the order of keys, in eights from the first of the strip on. */
export function heldWeightBlock(
  f: FunctionBuilder,
  w: Work,
): {
  readonly lowest: Local<"v128">;
  readonly row: (maximum: Local<"v128">, threshold: Local<"v128">, tie: Local<"v128">) => (x: Local<"v128">) => HeldWeights;
} {
  const job = jobOf(f, w.local("job"));
  const kind = job.local("normaliser");
  const column = w.local("column");
  const exp = fastDecayBlock(new Constants(f));
  const [lowest, one, four] = [-Infinity, 1, 4].map((value) => f.let(f32x4.splat(value)));
  const factor = f.let(f32x4.splat(0.5));
  f.if(i32.eq(kind, NORMALISERS.sparsemax), () => factor.set(one));
  const isTopK = f.let(i32.eq(kind, NORMALISERS.topK));
  const warmth = f.let(one);
  f.if(i32.eq(kind, NORMALISERS.straightThrough), () => warmth.set(f32x4.splat(f32.div(1, job.real("temperature")))));
  const first = f.let(f32x4.add(f32x4.const(0, 1, 2, 3), f32x4.splat(f32.convertI32S(column))));
  const [key, weights, divisors, zero] = f.locals("v128", 4);
  return {
    lowest,
    row: (maximum, threshold, tie) => {
      key.set(first);
      return (x) => {
        f.if(
          i32.or(isTopK, i32.eq(kind, NORMALISERS.straightThrough)),
          () => {
            const isTie = v128.and(f32x4.eq(x, threshold), f32x4.le(key, tie));
            const kept = f.let(v128.or(f32x4.gt(x, threshold), isTie));
            divisors.set(exp(f32x4.mul(f32x4.sub(x, maximum), warmth)));
            key.set(f32x4.add(key, four));
            f.if(isTopK, () => divisors.set(v128.and(divisors, kept)));
            weights.set(v128.and(one, kept));
            f.if(isTopK, () => weights.set(divisors));
          },
          () => {
            divisors.set(f32x4.pmax(f32x4.sub(f32x4.mul(f32x4.sub(x, maximum), factor), threshold), zero));
            f.if(
              i32.eq(kind, NORMALISERS.sparsemax),
              () => {
                weights.set(divisors);
                divisors.set(v128.and(one, f32x4.gt(weights, zero)));
              },
              () => weights.set(f32x4.mul(divisors, divisors)),
            );
          },
        );
        return { weights, divisors };
      };
    },
  };
}
