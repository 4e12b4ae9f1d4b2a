import { f32, f32x4, i32, select, v128, type FunctionHandle, type ModuleBuilder } from "@heed/kernels/assembler";
import { Constants, tanhBlock, tileColumns } from "@heed/kernels/building-blocks";
import { defineNoise, type Draw } from "./dropout.ts";
import { overGrid } from "./grid.ts";
import { BIAS, BIAS_FORMS } from "./job.ts";
import type { MaskFunctions } from "./mask.ts";
import { definePairScores } from "./pairs.ts";
import type { Product } from "./product.ts";
import type { Spread } from "./relative.ts";
import type { ScorePass } from "./score-pass.ts";
import { flagsOf } from "./setup.ts";
import { overStrip } from "./strip.ts";
import { biasOf, jobOf, OF_WORK, workOf, type Int, type Work } from "./work.ts";

type OfWork = FunctionHandle<typeof OF_WORK, undefined>;

/** One step from a strip of scores to the next, on a strip in place. */
interface Step {
  readonly run: OfWork;
  /** Whether the job has it. */
  readonly wanted: (job: ReturnType<typeof jobOf>, w: Work) => ReturnType<typeof i32.ne>;
  /** It only puts −∞ and NaN in: scores may still be without a scale that is above 0. */
  readonly closes?: true;
}

/**
 * The scores of a strip, −∞ where closed: the product of queries and keys, then pass after pass, in the order of the law: scale, softcap, biases, scoreMod, mask. A
 * new option is a pass more in the list. `findFactor`, of a head, says what scores are still to be multiplied with.
 * @param pass of a scoreMod
 * @param keeps whether scores can be kept as they are before the scale, before biases and before a scoreMod, which their gradients want
 */
export function defineScores(
  m: ModuleBuilder,
  product: Product,
  mask: MaskFunctions,
  spread: Spread,
  draw: Draw,
  pass: ScorePass | undefined,
  keeps = false,
): { readonly scores: OfWork; readonly findFactor: OfWork } {
  const panel = tileColumns(m.build);
  const scale = defineScale(m);
  const pairScores = definePairScores(m);
  const keep = (where: "rawStrip" | "cappedStrip" | "scoreStrip"): OfWork =>
    m.internal(where, { params: OF_WORK }, (f, { work }) => {
      const w = workOf(f, work);
      const [to, rowBytes] = [f.local("i32"), w.local("stripRow")];
      const room = w.local(where);
      overStrip(f, w, {
        row: () => {
          to.set(room);
          f.increment(room, rowBytes);
        },
        other: [to],
        vectors: (at) => {
          for (const offset of [0, 16]) f.store(to, v128.load(at, offset), offset);
        },
      });
    });
  const keepRaw = keeps ? keep("rawStrip") : undefined;
  const always = () => i32.const(1);
  const passes: Step[] = [
    { run: defineSoftcap(m), wanted: (job) => f32.ne(job.real("softcap"), 0) },
    ...(keeps ? [{ run: keep("cappedStrip"), wanted: (_: unknown, w: Work) => w.int("cappedStrip") }] : []),
    { run: definePoison(m), wanted: (job) => hasBad(job), closes: true },
    { run: defineBiases(m), wanted: (job) => job.int("biasCount") },
    ...(keeps && pass?.keepsScores === true ? [{ run: keep("scoreStrip"), wanted: always }] : []),
    ...(pass === undefined ? [] : [{ run: pass.define(m), wanted: always }]),
    { run: defineNoise(m, draw), wanted: (job) => job.int("noise") },
    { run: mask.close, wanted: (_, w) => i32.or(i32.eqz(w.int("isFull")), i32.ne(w.int("width"), w.int("columns"))), closes: true },
  ];

  // Where nothing needs scaled scores, the scale is left to the normaliser, which goes over the strip anyway; scores that are held are whole. One so small that
  // powers could not tell −∞ from the least number is not left.
  const findFactor = m.internal("findFactor", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const whole = passes
      .filter(({ closes }) => closes === undefined)
      .map(({ wanted }) => wanted(job, w))
      .reduce((one, other) => i32.or(one, other), i32.or(job.int("heldBytes"), f32.lt(w.real("scale"), 2 ** -100)));
    w.setReal("factor", select(whole, f32.const(1), w.real("scale")));
  });

  const scores = m.internal("scores", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const D = job.local("D");
    const first = i32.mul(i32.shl(i32.sub(w.int("column"), w.int("tile")), 2), D);
    f.if(
      i32.eqz(job.int("scoreForm")),
      () =>
        f.call(product, {
          rows: w.int("rows"),
          panels: i32.divU(w.int("width"), panel),
          steps: D,
          a: w.int("queryFactors"),
          rowA: w.int("queryFactorsRow"),
          stepA: w.int("queryFactorsStep"),
          b: i32.add(w.int("keyPanels"), first),
          stepB: 4 * panel,
          panelB: i32.mul(D, 4 * panel),
          c: w.int("strip"),
          rowC: w.int("stripRow"),
          load: 0,
        }),
      () => f.call(pairScores, { work }),
    );
    const bias = job.local("biases");
    f.forRange(0, job.int("biasCount"), 1, () => {
      const form = biasOf(f, bias);
      f.if(i32.eq(form.int("form"), BIAS_FORMS.queryRelative), () =>
        f.call(spread, {
          work,
          strip: w.int("strip"),
          x: w.int("query"),
          xRow: w.int("queryRow"),
          table: form.address("table", [w.int("h"), "head"]),
          width: D,
          most: form.int("maxDistance"),
        }),
      );
      f.increment(bias, BIAS.bytes);
    });
    if (keepRaw !== undefined) f.if(w.int("rawStrip"), () => f.call(keepRaw, { work }));
    f.if(f32.ne(w.real("factor"), w.real("scale")), () => f.call(scale, { work }));
    for (const { run, wanted } of passes) f.if(wanted(job, w), () => f.call(run, { work }));
  });
  return { scores, findFactor };
}

function defineScale(m: ModuleBuilder): OfWork {
  return m.internal("scale", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const factor = f.let(f32x4.splat(w.real("scale")));
    overStrip(f, w, {
      vectors: (at) => {
        for (const offset of [0, 16]) f.store(at, f32x4.mul(v128.load(at, offset), factor), offset);
      },
    });
  });
}

function defineSoftcap(m: ModuleBuilder): OfWork {
  return m.internal("softcap", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const cap = f.let(f32x4.splat(job.real("softcap")));
    const inverse = f.let(f32x4.splat(f32.div(1, job.real("softcap"))));
    const tanh = tanhBlock(new Constants(f));
    const x = f.local("v128");
    overStrip(f, w, {
      vectors: (at) => {
        for (const offset of [0, 16]) {
          x.set(f32x4.mul(v128.load(at, offset), inverse));
          f.store(at, f32x4.mul(tanh(x), cap), offset);
        }
      },
    });
  });
}

/** Whether rows of an operand are flagged. */
function hasBad(job: ReturnType<typeof jobOf>): ReturnType<typeof i32.or> {
  return i32.or(i32.or(job.int("badQuery"), job.int("badKey")), job.int("badValue"));
}

/** Pairs with a row that is not finite become NaN: flagged rows count as zeros in the products. Passes that close pairs come after. */
function definePoison(m: ModuleBuilder): OfWork {
  return m.internal("poison", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const [rows, columns, strip, rowBytes] = [w.local("rows"), w.local("columns"), w.local("strip"), w.local("stripRow")];
    const flags = (["Query", "Key", "Value"] as const).map((operand) => {
      const first = operand === "Query" ? i32.add(w.int("firstQuery"), w.int("row")) : i32.add(w.int("firstKey"), w.int("column"));
      return f.let(flagsOf(w, job, operand, first));
    });
    const isBad = (index: number, at: Int) => {
      const bad = f.let(i32.const(0));
      f.if(flags[index], () => bad.set(i32.load8U(i32.add(flags[index], at))));
      return bad;
    };
    const nan = f.let(f32.const(NaN));
    f.forRange(0, rows, 1, (row) => {
      const ofQuery = isBad(0, row);
      f.forRange(0, columns, 1, (j) => {
        f.if(i32.or(ofQuery, i32.or(isBad(1, j), isBad(2, j))), () => f.store(i32.add(strip, i32.shl(j, 2)), nan));
      });
      f.increment(strip, rowBytes);
    });
  });
}

/** Adds the biases one after the other; one of −∞ closes its pair whatever its score. */
function defineBiases(m: ModuleBuilder): OfWork {
  const params = { work: "i32", bias: "i32" } as const;
  const dense = m.internal("denseBias", { params }, (f, { work, bias }) => {
    const w = workOf(f, work);
    const form = biasOf(f, bias);
    const at = f.let(biasAddress(w, form));
    const [rowBytes, column] = [f.let(i32.shl(form.int("row"), 2)), form.local("column")];
    const closed = f.let(f32x4.splat(-Infinity));
    const [added, pointer] = [f.local("v128"), f.local("i32")];
    const add = (to: Int, offset: number) =>
      f.store(to, v128.bitselect(closed, f32x4.add(v128.load(to, offset), added), f32x4.eq(added, closed)), offset);
    f.if(
      column,
      () =>
        overStrip(f, w, {
          row: () => {
            pointer.set(at);
            f.increment(at, rowBytes);
          },
          other: [pointer],
          vectors: (to) => {
            for (const offset of [0, 16]) {
              added.set(v128.load(pointer, offset));
              add(to, offset);
            }
          },
        }),
      () =>
        overStrip(f, w, {
          row: () => {
            added.set(v128.load32Splat(at));
            f.increment(at, rowBytes);
          },
          vectors: (to) => {
            for (const offset of [0, 16]) add(to, offset);
          },
        }),
    );
  });
  const grid = m.internal("gridBias", { params }, (f, { work, bias }) => {
    const w = workOf(f, work);
    const form = biasOf(f, bias);
    const table = f.let(form.address("table", [w.int("h"), "head"]));
    const added = f.local("f32");
    overGrid(f, w, form, w.local("strip"), (place, at) => {
      added.set(f32.load(i32.add(table, place)));
      f.store(at, select(f32.eq(added, -Infinity), added, f32.add(f32.load(at), added)));
    });
  });
  return m.internal("biases", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const bias = job.local("biases");
    f.forRange(0, job.int("biasCount"), 1, () => {
      f.if(i32.eq(biasOf(f, bias).int("form"), BIAS_FORMS.dense), () => f.call(dense, { work, bias }));
      f.if(i32.eq(biasOf(f, bias).int("form"), BIAS_FORMS.grid), () => f.call(grid, { work, bias }));
      f.increment(bias, BIAS.bytes);
    });
  });
}

/** Where the table of a dense bias has what belongs to the strip's first pair. */
function biasAddress(w: Work, form: ReturnType<typeof biasOf>): ReturnType<typeof i32.add> {
  const place = [w.int("b"), w.int("h"), w.int("row"), w.int("column")];
  return form.address("table", [place[0], "batch"], [place[1], "head"], [place[2], "row"], [place[3], "column"]);
}
