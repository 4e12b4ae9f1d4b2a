import {
  f32,
  f32x4,
  i32,
  i32x4,
  v128,
  type FunctionBuilder,
  type FunctionHandle,
  type Local,
  type ModuleBuilder,
} from "@heed/kernels/assembler";
import { Constants, expBlock } from "@heed/kernels/building-blocks";
import { heldWeightBlock } from "../streaming/hold.ts";
import { BIAS, BIAS_FORMS, NORMALISERS } from "../streaming/job.ts";
import { definePower, defineShare, powersBlock, weightBlock } from "../streaming/normalise.ts";
import { savedAt } from "../streaming/setup.ts";
import { overGrid } from "../streaming/grid.ts";
import type { Collect } from "../streaming/relative.ts";
import { acrossLanes, overRows, overStrip, overVectors, padRow } from "../streaming/strip.ts";
import { biasOf, jobOf, OF_WORK, workOf, type Int, type Work } from "../streaming/work.ts";

type OfWork = FunctionHandle<typeof OF_WORK, undefined>;

/**
 * From the strip's scores s and the gradient of its weights dP to weights P and the gradient of scores dS = P (dP − δ) + p · (cotangent of lse), both in
 * place, with P = e^(s − maximum) / sum as forward had them. Closed pairs get exactly 0, whatever their operands hold.
 */
export function defineSoftmaxGradient(m: ModuleBuilder): OfWork {
  const shareOf = defineShare(m, definePower(m));
  return m.internal("softmaxGradient", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const powers = powersBlock(f, w);
    const lowest = f.let(f32x4.splat(-Infinity));
    const factor = f.let(w.real("gradientFactor"));
    const [zero, most, share, slope, delta, ofLse] = f.locals("v128", 6);
    const [row, saved, pointer, rowBytes] = [w.local("row"), f.local("i32"), f.local("i32"), w.local("stripRow")];
    const [maximums, sums, cotangents] = [job.local("rowMaximum"), job.local("rowSum"), job.local("lseGradient")];
    const gradient = w.local("gradientStrip");
    const deltas = f.let(i32.add(w.int("deltas"), i32.shl(row, 2)));
    const [maximum, sum, ofRow] = f.locals("f32", 3);
    const isHalf = f.let(i32.and(w.int("width"), 8));
    overRows(f, w, (at, end) => {
      saved.set(savedAt(w, job, row));
      maximum.set(f32.load(i32.add(maximums, saved)));
      sum.set(f32.load(i32.add(sums, saved)));
      ofRow.set(f.call(shareOf, { work, maximum, sum }));
      share.set(f32x4.splat(ofRow));
      slope.set(f32x4.splat(f32.mul(ofRow, factor)));
      most.set(f32x4.splat(maximum));
      most.set(v128.bitselect(zero, most, f32x4.eq(most, lowest)));
      delta.set(v128.load32Splat(deltas));
      ofLse.set(zero);
      // The sink has no part in lse.
      f.if(i32.and(i32.ne(cotangents, 0), f32.ne(sum, 0)), () =>
        ofLse.set(f32x4.splat(f32.mul(f32.div(f32.load(i32.add(cotangents, saved)), sum), factor))),
      );
      pointer.set(gradient);
      f.increment(gradient, rowBytes);
      f.increment(deltas, 4);
      f.increment(row, 1);
      // Elsewhere what lies behind a run is of the next, or 0 for the sums over keys.
      f.if(isHalf, () => padRow(f, end, lowest));
      const from = f.let(at);
      // All is read before anything is written: so the wide build makes one vector of two.
      const vectors = () => {
        const weights = f.locals("v128", 4);
        const changes = f.sideBySide(4, (index) => {
          const score = f.let(v128.load(from, 16 * index));
          const change = f.let(f32x4.sub(v128.load(pointer, 16 * index), delta));
          const open = f.let(i32x4.ne(score, lowest));
          const power = f.let(powers(score, most));
          weights[index].set(v128.and(f32x4.mul(power, share), open));
          return v128.and(f32x4.mul(power, f.madd(change, slope, ofLse)), open);
        });
        weights.forEach((weight, index) => f.store(from, weight, 16 * index));
        changes.forEach((change, index) => f.store(pointer, change, 16 * index));
      };
      overVectors(f, from, end, [pointer], vectors, 64);
    });
  });
}

/**
 * The same for normalisers that need whole rows, from the thresholds that forward saved: dS = P (dP − δ) for topK, as for softmax over the keys it keeps; for
 * sparsemax and entmax15 q (dP − Σ q dP / Σ q), where q is 1, or √P, where P is above 0; for straightThrough the same of the softmax that lends its gradient,
 * with q = e^((s − maximum) / temperature), over Σ q and the temperature. `sums` adds Σ q dP of the strip to δ, and changes nothing else.
 */
export function defineHeldGradient(m: ModuleBuilder): { sums: OfWork; gradient: OfWork } {
  /** Calls `row` before each row with its saved numbers, and `vectors` for each eight of its scores, with weights and q, 0 where closed. */
  const overHeld = (
    f: FunctionBuilder,
    w: Work,
    steps: {
      readonly row: (index: Int, maximum: Local<"v128">, sum: Local<"v128">) => void;
      readonly vectors: (
        at: Int,
        gradient: Int,
        offset: number,
        weights: Local<"v128">,
        slopes: Local<"v128">,
        nans: Local<"v128">,
      ) => void;
      readonly after?: () => void;
    },
  ) => {
    const job = jobOf(f, w.local("job"));
    const weight = heldWeightBlock(f, w);
    const [maximum, sum, threshold, tie, x, nans, zero] = f.locals("v128", 7);
    const [row, saved, pointer, gradient, rowBytes] = [
      w.local("row"),
      ...f.locals("i32", 2),
      w.local("gradientStrip"),
      w.local("stripRow"),
    ];
    const from = (name: "rowMaximum" | "rowSum" | "rowThreshold" | "rowTie") => v128.load32Splat(i32.add(job.int(name), saved));
    let each: ReturnType<typeof weight.row>;
    overStrip(f, w, {
      row: (index) => {
        saved.set(savedAt(w, job, row));
        maximum.set(from("rowMaximum"));
        maximum.set(v128.bitselect(zero, maximum, f32x4.eq(maximum, weight.lowest)));
        nans.set(f32x4.ne(maximum, maximum));
        sum.set(from("rowSum"));
        threshold.set(from("rowThreshold"));
        f.if(job.int("rowTie"), () => tie.set(from("rowTie")));
        each = weight.row(maximum, threshold, tie);
        steps.row(index, maximum, sum);
        pointer.set(gradient);
        f.increment(gradient, rowBytes);
        f.increment(row, 1);
      },
      other: [pointer],
      vectors: (at) => {
        for (const offset of [0, 16]) {
          x.set(v128.load(at, offset));
          const { weights, divisors } = each(x);
          const closed = f.let(f32x4.eq(x, weight.lowest));
          for (const one of [weights, divisors]) one.set(v128.andnot(one, closed));
          const bad = f.let(v128.andnot(nans, closed));
          steps.vectors(at, pointer, offset, weights, divisors, bad);
        }
      },
      ...(steps.after === undefined ? {} : { after: steps.after }),
    });
  };

  const sums = m.internal("heldSums", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const [total, zero] = f.locals("v128", 2);
    const deltas = f.let(i32.add(w.int("deltas"), i32.shl(w.int("row"), 2)));
    overHeld(f, w, {
      row: () => total.set(zero),
      vectors: (_, gradient, offset, _weights, slopes) => {
        const products = f32x4.mul(slopes, v128.load(gradient, offset));
        total.set(f32x4.add(total, v128.and(products, f32x4.ne(slopes, zero))));
      },
      after: () => {
        const sum = acrossLanes(f, total, (a, b) => f32x4.add(a, b));
        f.store(deltas, f32.add(f32.load(deltas), sum));
        f.increment(deltas, 4);
      },
    });
  });

  const gradient = m.internal("heldGradient", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const kind = job.local("normaliser");
    const factor = f.let(f32x4.splat(w.real("gradientFactor")));
    const [delta, share, ofWeight, zero] = f.locals("v128", 4);
    const one = f.let(f32x4.splat(1));
    const deltas = f.let(i32.add(w.int("deltas"), i32.shl(w.int("row"), 2)));
    overHeld(f, w, {
      row: (_, _maximum, sum) => {
        delta.set(v128.load32Splat(deltas));
        share.set(one);
        ofWeight.set(one);
        f.if(
          i32.eq(kind, NORMALISERS.topK),
          () => {
            share.set(f32x4.div(one, sum));
            ofWeight.set(share);
          },
          () => delta.set(f32x4.div(delta, sum)),
        );
        f.if(i32.eq(kind, NORMALISERS.straightThrough), () =>
          share.set(f32x4.div(one, f32x4.mul(sum, f32x4.splat(job.real("temperature"))))),
        );
        f.increment(deltas, 4);
      },
      vectors: (at, to, offset, weights, slopes, bad) => {
        const kept = f.let(v128.or(f32x4.ne(slopes, zero), bad));
        const change = f.let(f32x4.mul(f32x4.mul(slopes, share), f32x4.sub(v128.load(to, offset), delta)));
        f.store(at, v128.and(v128.or(f32x4.mul(weights, ofWeight), bad), kept), offset);
        f.store(to, v128.and(f32x4.mul(change, factor), kept), offset);
      },
    });
  });
  return { sums, gradient };
}

/** The same for normalisers that weigh each score by itself, and hard, through which no gradient reaches the scores. */
export function defineOtherGradient(m: ModuleBuilder): OfWork {
  return m.internal("otherGradient", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const kind = job.local("normaliser");
    const bias = f.let(f32x4.splat(job.real("sigmoidBias")));
    const weigh = weightBlock(f, kind, bias);
    const [lowest, one] = [f.let(f32x4.splat(-Infinity)), f.let(f32x4.splat(1))];
    const scale = f.let(f32x4.splat(w.real("factor")));
    const factor = f.let(f32x4.splat(w.real("gradientFactor")));
    const lanes = f.let(f32x4.const(0, 1, 2, 3));
    const four = f.let(f32x4.splat(4));
    const [zero, delta, share, best, j, x, weight, g, closed] = f.locals("v128", 9);
    const [row, saved, pointer, rowBytes] = [w.local("row"), f.local("i32"), f.local("i32"), w.local("stripRow")];
    const [sums, gradient] = [job.local("rowSum"), w.local("gradientStrip")];
    const deltas = f.let(i32.add(w.int("deltas"), i32.shl(row, 2)));
    const sum = f.local("f32");
    overStrip(f, w, {
      row: () => {
        saved.set(savedAt(w, job, row));
        sum.set(f32.load(i32.add(sums, saved)));
        best.set(f32x4.splat(sum));
        share.set(one);
        f.if(i32.ltS(kind, NORMALISERS.sigmoid), () => {
          share.set(zero);
          f.if(f32.ne(sum, 0), () => share.set(f32x4.splat(f32.div(1, sum))));
        });
        delta.set(zero);
        f.if(i32.eq(kind, NORMALISERS.reluSum), () => delta.set(v128.load32Splat(deltas)));
        j.set(f32x4.add(lanes, f32x4.splat(f32.convertI32S(w.int("column")))));
        pointer.set(gradient);
        f.increment(gradient, rowBytes);
        f.increment(deltas, 4);
        f.increment(row, 1);
      },
      other: [pointer],
      vectors: (at) => {
        for (const offset of [0, 16]) {
          x.set(f32x4.mul(v128.load(at, offset), scale));
          closed.set(f32x4.eq(x, lowest));
          g.set(f32x4.sub(v128.load(pointer, offset), delta));
          f.if(
            i32.eq(kind, NORMALISERS.hard),
            () => {
              // A row with a NaN has no best key: all of its weights are NaN.
              weight.set(v128.or(v128.and(one, f32x4.eq(j, best)), f32x4.ne(best, best)));
              j.set(f32x4.add(j, four));
              g.set(zero);
            },
            () => {
              weigh(x, weight);
              weight.set(f32x4.mul(weight, share));
              f.if(i32.eq(kind, NORMALISERS.sigmoid), () => g.set(f32x4.mul(g, f32x4.mul(weight, f32x4.sub(one, weight)))));
              f.if(i32.ltS(kind, NORMALISERS.sigmoid), () => g.set(v128.and(f32x4.mul(g, share), f32x4.gt(x, zero))));
            },
          );
          f.store(at, v128.andnot(weight, closed), offset);
          f.store(pointer, v128.andnot(f32x4.mul(g, factor), closed), offset);
        }
      },
    });
  });
}

/** Adds to the gradient of the head's sink: − (its weight) · δ of each of its rows. */
export function defineSinkGradient(m: ModuleBuilder): OfWork {
  return m.internal("sinkGradient", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const exp = expBlock(new Constants(f));
    const [sums, maximums, deltas] = [job.local("rowSum"), job.local("rowMaximum"), w.local("deltas")];
    const sink = f.let(f32.load(job.address("sink", [w.int("h"), "sinkHead"])));
    const to = f.let(job.address("sinkGradient", [w.int("chunk"), "sinkGradientChunk"], [w.int("h"), "sinkHead"]));
    const [total, sum] = f.locals("f32", 2);
    const [power, saved] = [f.local("v128"), f.local("i32")];
    f.forRange(0, w.int("L"), 1, (row) => {
      saved.set(savedAt(w, job, row));
      sum.set(f32.load(i32.add(sums, saved)));
      // 1 / (1 + Σ e^(s − sink)), which is 1 / (1 + sum · e^(maximum − sink)); where nothing is open δ is 0.
      f.if(f32.ne(sum, 0), () => {
        power.set(f32x4.splat(f32.sub(f32.mul(f32.load(i32.add(maximums, saved)), w.real("factor")), sink)));
        power.set(exp(power));
        const weight = f32.div(1, f32.add(1, f32.mul(sum, f32x4.extractLane(power, 0))));
        total.set(f32.add(total, f32.mul(weight, f32.load(i32.add(deltas, i32.shl(row, 2))))));
      });
    });
    f.store(to, f32.sub(f32.load(to), total));
  });
}

/** Keeps 0 where the gradient of a score is 0: what it would be multiplied with may be NaN there. */
function kept(gradient: Local<"v128">, product: ReturnType<typeof f32x4.mul>, zero: Local<"v128">): ReturnType<typeof v128.and> {
  return v128.and(product, f32x4.ne(gradient, zero));
}

/** A gradient strip goes over its rows; `row` gets the address of each. */
function overGradient(f: FunctionBuilder, w: Work, steps: Omit<Parameters<typeof overStrip>[2], "start">): void {
  overStrip(f, w, { ...steps, start: w.int("gradientStrip") });
}

/** Back through s = cap · tanh(…): the slope is 1 − (s / cap)². */
export function defineSoftcapGradient(m: ModuleBuilder): OfWork {
  return m.internal("softcapGradient", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const inverse = f.let(f32x4.splat(f32.div(1, job.real("softcap"))));
    const one = f.let(f32x4.splat(1));
    const [zero, x, g] = f.locals("v128", 3);
    const [room, pointer, rowBytes] = [w.local("cappedStrip"), f.local("i32"), w.local("stripRow")];
    overGradient(f, w, {
      row: () => {
        pointer.set(room);
        f.increment(room, rowBytes);
      },
      other: [pointer],
      vectors: (at) => {
        for (const offset of [0, 16]) {
          x.set(f32x4.mul(v128.load(pointer, offset), inverse));
          g.set(v128.load(at, offset));
          f.store(at, kept(g, f32x4.mul(g, f32x4.sub(one, f32x4.mul(x, x))), zero), offset);
        }
      },
    });
  });
}

/** Adds Σ dS · (score before the scale) to the gradient of the head's scale. */
export function defineScalesGradient(m: ModuleBuilder): OfWork {
  return m.internal("scalesGradient", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const [zero, g, sum] = f.locals("v128", 3);
    const [room, pointer, rowBytes] = [w.local("rawStrip"), f.local("i32"), w.local("stripRow")];
    overGradient(f, w, {
      row: () => {
        pointer.set(room);
        f.increment(room, rowBytes);
      },
      other: [pointer],
      vectors: (at) => {
        for (const offset of [0, 16]) {
          g.set(v128.load(at, offset));
          sum.set(f32x4.add(sum, kept(g, f32x4.mul(g, v128.load(pointer, offset)), zero)));
        }
      },
    });
    const to = f.let(job.address("scalesGradient", [w.int("chunk"), "scalesGradientChunk"], [w.int("h"), "scalesHead"]));
    addLanes(f, to, sum);
  });
}

/** Adds the four lanes to a number. */
function addLanes(f: FunctionBuilder, to: Int, sum: Local<"v128">): void {
  const lanes = [0, 1, 2, 3].map((lane) => f32x4.extractLane(sum, lane));
  f.store(to, f32.add(f32.load(to), f32.add(f32.add(lanes[0], lanes[1]), f32.add(lanes[2], lanes[3]))));
}

/** Multiplies the gradient of scores with the scale. */
export function defineScaleGradient(m: ModuleBuilder): OfWork {
  return m.internal("scaleGradient", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const factor = f.let(f32x4.splat(w.real("scale")));
    overGradient(f, w, {
      vectors: (at) => {
        for (const offset of [0, 16]) f.store(at, f32x4.mul(v128.load(at, offset), factor), offset);
      },
    });
  });
}

/** Adds the gradient of scores to those of the biases. Columns beyond the last key are 0, but there is no room for them: they are left out. */
export function defineBiasGradients(m: ModuleBuilder): OfWork {
  const dense = m.internal("denseBiasGradient", { params: { work: "i32", bias: "i32" } }, (f, { work, bias }) => {
    const w = workOf(f, work);
    const form = biasOf(f, bias);
    const at = f.let(
      form.address(
        "gradient",
        [w.int("chunk"), "gradientChunk"],
        [w.int("b"), "gradientBatch"],
        [w.int("h"), "gradientHead"],
        [w.int("row"), "gradientRow"],
        [w.int("column"), "gradientColumn"],
      ),
    );
    const [gradientRow, columns, rowBytes] = [f.let(i32.shl(form.int("gradientRow"), 2)), w.local("columns"), w.local("stripRow")];
    const [from, to, strip] = [f.local("i32"), f.local("i32"), w.local("gradientStrip")];
    const sum = f.local("v128");
    const zero = f.local("v128");
    const isPerKey = form.local("gradientColumn");
    f.forRange(0, w.int("rows"), 1, () => {
      from.set(strip);
      to.set(at);
      sum.set(zero);
      const step = (
        load: (pointer: Int) => ReturnType<typeof v128.load>,
        store: (value: ReturnType<typeof v128.load>) => void,
        bytes: number,
      ) =>
        f.if(
          isPerKey,
          () => {
            store(f32x4.add(load(to), load(from)));
            f.increment(from, bytes);
            f.increment(to, bytes);
          },
          () => {
            sum.set(f32x4.add(sum, load(from)));
            f.increment(from, bytes);
          },
        );
      f.vectorLoop(
        columns,
        () =>
          step(
            (pointer) => v128.load(pointer),
            (value) => f.store(to, value),
            16,
          ),
        () =>
          step(
            (pointer) => v128.load32Zero(pointer),
            (value) => f.store32Lane(to, value, 0),
            4,
          ),
      );
      f.if(i32.eqz(isPerKey), () => addLanes(f, at, sum));
      f.increment(strip, rowBytes);
      f.increment(at, gradientRow);
    });
  });
  const grid = m.internal("gridBiasGradient", { params: { work: "i32", bias: "i32" } }, (f, { work, bias }) => {
    const w = workOf(f, work);
    const form = biasOf(f, bias);
    const gradient = f.let(form.address("gradient", [w.int("chunk"), "gradientChunk"], [w.int("h"), "gradientHead"]));
    overGrid(f, w, form, w.local("gradientStrip"), (place, at) => {
      place.set(i32.add(gradient, place));
      f.store(place, f32.add(f32.load(place), f32.load(at)));
    });
  });
  return m.internal("biasGradients", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const bias = job.local("biases");
    f.forRange(0, job.int("biasCount"), 1, () => {
      const form = biasOf(f, bias);
      f.if(i32.and(i32.ne(form.int("gradient"), 0), i32.eq(form.int("form"), BIAS_FORMS.dense)), () => f.call(dense, { work, bias }));
      f.if(i32.and(i32.ne(form.int("gradient"), 0), i32.eq(form.int("form"), BIAS_FORMS.grid)), () => f.call(grid, { work, bias }));
      f.increment(bias, BIAS.bytes);
    });
  });
}

/** Gradients of tables that queries take part in, and what they add to those of queries: from the gradient of scores before the scale. */
export function defineRelativeGradients(m: ModuleBuilder, collect: Collect): OfWork {
  return m.internal("relativeGradients", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const bias = job.local("biases");
    const row = f.let(i32.add(w.int("firstQuery"), w.int("row")));
    const [out, gradient] = f.locals("i32", 2);
    f.forRange(0, job.int("biasCount"), 1, () => {
      const form = biasOf(f, bias);
      f.if(i32.eq(form.int("form"), BIAS_FORMS.queryRelative), () => {
        out.set(0);
        gradient.set(0);
        f.if(job.int("queryGradient"), () =>
          out.set(
            job.address("queryGradient", [w.int("b"), "queryGradientBatch"], [w.int("h"), "queryGradientHead"], [row, "queryGradientRow"]),
          ),
        );
        f.if(form.int("gradient"), () =>
          gradient.set(form.address("gradient", [w.int("chunk"), "gradientChunk"], [w.int("h"), "gradientHead"])),
        );
        f.call(collect, {
          work,
          strip: w.int("gradientStrip"),
          x: w.int("query"),
          xRow: w.int("queryRow"),
          table: form.address("table", [w.int("h"), "head"]),
          width: job.int("D"),
          most: form.int("maxDistance"),
          out,
          outRow: i32.shl(job.int("queryGradientRow"), 2),
          gradient,
        });
      });
      f.increment(bias, BIAS.bytes);
    });
  });
}
