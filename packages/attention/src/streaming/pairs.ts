import { f32x4, i32, v128, type FunctionBuilder, type FunctionHandle, type Local, type ModuleBuilder } from "@heed/kernels/assembler";
import { Constants, fastSigmoidBlock, fastTanhBlock, tileColumns } from "@heed/kernels/building-blocks";
import { ACTIVATIONS, SCORE_FORMS } from "./job.ts";
import { jobOf, OF_WORK, workOf, type Int, type Work } from "./work.ts";

/** `activation(x)` as the job names it, kept in `to`. */
export function activationBlock(f: FunctionBuilder, job: ReturnType<typeof jobOf>): (x: Local<"v128">, to: Local<"v128">) => void {
  const kind = job.local("activation");
  const k = new Constants(f);
  const [tanh, sigmoid] = [fastTanhBlock(k), fastSigmoidBlock(k)];
  const slope = f.let(f32x4.splat(job.real("negativeSlope")));
  const zero = f.local("v128");
  return (x, to) =>
    f.if(
      i32.eq(kind, ACTIVATIONS.tanh),
      () => to.set(tanh(x)),
      () =>
        f.if(
          i32.eq(kind, ACTIVATIONS.sigmoid),
          () => to.set(sigmoid(x)),
          () => to.set(v128.bitselect(f32x4.mul(x, slope), x, f32x4.lt(x, zero))),
        ),
    );
}

/**
 * Goes over the pairs of a strip whose score is no product, eight keys at a time: `begin` for each query and group of keys, `step` for each of the D
 * numbers, with the query's in all lanes and the keys' at `keys`, `end` then.
 */
export function overPairs(
  f: FunctionBuilder,
  w: Work,
  steps: {
    readonly row?: (index: Int) => void;
    readonly begin: (strip: Int) => void;
    readonly step: (query: Local<"v128">, keys: Int, d: Int) => void;
    readonly end: (strip: Int) => void;
  },
): void {
  const panel = tileColumns(f.build);
  const job = jobOf(f, w.local("job"));
  const D = job.local("D");
  const [queries, queryRow, strips, stripRow, width] = [
    w.local("query"),
    w.local("queryRow"),
    w.local("strip"),
    w.local("stripRow"),
    w.local("width"),
  ];
  const first = f.let(i32.add(w.int("keyPanels"), i32.mul(i32.shl(i32.sub(w.int("column"), w.int("tile")), 2), D)));
  const [keys, at, strip] = f.locals("i32", 3);
  const query = f.local("v128");
  f.forRange(0, w.int("rows"), 1, (row) => {
    steps.row?.(row);
    f.forRange(0, width, 8, (column) => {
      strip.set(i32.add(strips, i32.shl(column, 2)));
      // A panel may be two groups of eight wide.
      keys.set(i32.add(first, i32.add(i32.mul(i32.shl(i32.and(column, -panel), 2), D), i32.shl(i32.and(column, panel - 1), 2))));
      at.set(queries);
      steps.begin(strip);
      f.forRange(0, D, 1, (d) => {
        query.set(v128.load32Splat(at));
        steps.step(query, keys, d);
        f.increment(at, 4);
        f.increment(keys, 4 * panel);
      });
      steps.end(strip);
    });
    f.increment(queries, queryRow);
    f.increment(strips, stripRow);
  });
}

/** Scores that are no product: Σ (q − k)², by differences, or vectorᵀ activation(q + k). */
export function definePairScores(m: ModuleBuilder): FunctionHandle<typeof OF_WORK, undefined> {
  return m.internal("pairScores", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const isDistance = f.let(i32.eq(job.int("scoreForm"), SCORE_FORMS.distance));
    const activate = activationBlock(f, job);
    const vector = f.let(job.address("vector", [w.int("h"), "vectorHead"]));
    const sums = f.locals("v128", 2);
    const [x, zero] = f.locals("v128", 2);
    overPairs(f, w, {
      begin: () => sums.forEach((sum) => sum.set(zero)),
      step: (query, keys, d) => {
        const halves = [...sums.entries()];
        f.if(
          isDistance,
          () => {
            for (const [half, sum] of halves) {
              x.set(f32x4.sub(query, v128.load(keys, 16 * half)));
              sum.set(f.madd(x, x, sum));
            }
          },
          () => {
            const weight = f.let(v128.load32Splat(i32.add(vector, i32.shl(d, 2))));
            for (const [half, sum] of halves) {
              x.set(f32x4.add(query, v128.load(keys, 16 * half)));
              activate(x, x);
              sum.set(f.madd(x, weight, sum));
            }
          },
        );
      },
      end: (strip) => sums.forEach((sum, half) => f.store(strip, sum, 16 * half)),
    });
  });
}
