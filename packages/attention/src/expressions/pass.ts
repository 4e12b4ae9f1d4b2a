import { f32, f32x4, i32, i32x4, v128, select, type FunctionBuilder, type Local, type ModuleBuilder } from "@heed/kernels/assembler";
import type { Views } from "@heed/kernels";
import type { Expression } from "@heed/tensor/terms";
import type { Job } from "../streaming/job.ts";
import { acrossLanes, overStrip } from "../streaming/strip.ts";
import type { Pair, PairRules, ScorePass } from "../streaming/score-pass.ts";
import { jobOf, OF_WORK, workOf, type Int } from "../streaming/work.ts";
import { emission, PER_PAIRS, PER_ROW } from "./emit.ts";
import { scalarOf } from "./interpret.ts";
import { PASS_TABLE, passLayout } from "./record.ts";
import { operandsOf, partsOf, type Lookup, type Structure } from "./structure.ts";

/** A scoreMod as a pass of the streaming kernel, for every expression of that structure. */
export function passOf(structure: Structure): ScorePass {
  const { value, slope, lookups } = structure;
  const ofGradient = [...(slope === undefined ? [] : [slope]), ...lookups.map(({ derivative }) => derivative)];
  const places = lookups.map(({ lookup }) => lookup);
  const read = partsOf(structure, [...ofGradient, ...places.flatMap(({ indices }) => indices)]);
  const keepsScores = read.some((x) => x.op === "variable" && x.name === "score");

  return {
    keepsScores,
    define: (m) =>
      m.internal("scoreMod", { params: OF_WORK }, (f, { work }) => {
        const w = workOf(f, work);
        const code = emission(f, work, structure, [value]);
        // A bias of −∞ has closed its pair, whatever the expression makes of it. Without biases nothing has; and nothing equals NaN.
        const closed = f.let(f32x4.splat(select(jobOf(f, w.local("job")).int("biasCount"), f32.const(-Infinity), f32.const(NaN))));
        overStrip(f, w, {
          row: () => code.row(),
          vectors: (at) => {
            for (const offset of [0, 16]) {
              code.score.set(v128.load(at, offset));
              code.pairs();
              f.store(at, v128.bitselect(closed, code.of(value), f32x4.eq(code.score, closed)), offset);
            }
          },
        });
      }),
    defineGradient: ofGradient.length === 0 ? undefined : (m) => defineGradient(m, structure, ofGradient, places, keepsScores),
    reference: (views, job) => pairRules(structure, views, job),
  };
}

function defineGradient(
  m: ModuleBuilder,
  structure: Structure,
  roots: readonly Expression[],
  places: readonly Lookup[],
  keepsScores: boolean,
): ReturnType<ScorePass["define"]> {
  return m.internal("scoreModGradient", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const code = emission(f, work, structure, roots, places);
    const { slope, lookups } = structure;
    const chunk = w.local("chunk");
    const targets = lookups.map(({ lookup, derivative }) => {
      const gradient = f.let(code.table(lookup.table, "gradient"));
      f.if(gradient, () => f.increment(gradient, i32.shl(i32.mul(chunk, code.table(lookup.table, "gradientChunk")), 2)));
      return { lookup, derivative, gradient, stage: code.stageOf(lookup), sum: f.local("v128") };
    });
    const [zero, g, part] = f.locals("v128", 3);
    const [room, pointer, rowBytes] = [w.local("scoreStrip"), f.local("i32"), w.local("stripRow")];
    const flush = (stage: number) => {
      for (const { lookup, gradient, sum, stage: own } of targets) {
        if (own !== stage) continue;
        f.if(gradient, () => addAt(f, gradient, code.placeOf(lookup).flat, 0, acrossLanes(f, sum, f32x4.add)));
        sum.set(zero);
      }
    };
    overStrip(f, w, {
      start: w.int("gradientStrip"),
      row: () => {
        code.row();
        pointer.set(room);
        f.increment(room, rowBytes);
      },
      other: [pointer],
      vectors: (at) => {
        for (const offset of [0, 16]) {
          if (keepsScores) code.score.set(v128.load(pointer, offset));
          code.pairs();
          g.set(v128.load(at, offset));
          for (const { lookup, derivative, gradient, sum, stage } of targets) {
            f.if(gradient, () => {
              part.set(ofOpen(g, f32x4.mul(g, code.of(derivative)), zero));
              const { flat, inside } = code.placeOf(lookup);
              if (inside !== undefined) part.set(v128.and(part, inside));
              if (stage === PER_PAIRS) for (const lane of [0, 1, 2, 3]) addAt(f, gradient, flat, lane, f32x4.extractLane(part, lane));
              else sum.set(f32x4.add(sum, part));
            });
          }
          if (slope !== undefined) f.store(at, ofOpen(g, f32x4.mul(g, code.of(slope)), zero), offset);
        }
      },
      after: () => flush(PER_ROW),
    });
    flush(0);
  });
}

/** Where the gradient is 0 it stays so: a closed pair's score, and with it the slope there, may be anything. */
function ofOpen(g: Local<"v128">, product: ReturnType<typeof f32x4.mul>, zero: Local<"v128">): ReturnType<typeof v128.and> {
  return v128.and(product, f32x4.ne(g, zero));
}

/** Adds to the element of a table that a lane of `flat` says. */
function addAt(f: FunctionBuilder, table: Int, flat: Local<"v128">, lane: number, amount: ReturnType<typeof f32.add>): void {
  const at = f.let(i32.add(table, i32.shl(i32x4.extractLane(flat, lane), 2)));
  f.store(at, f32.add(f32.load(at), amount));
}

/** The definition: pair by pair, in double precision. */
function pairRules(structure: Structure, views: Views, job: Job): PairRules {
  const { parts, value, slope, lookups, numberOf } = structure;
  const [reals, ints, bytes] = [views.real(), views.i32(), views.u8()];
  const view = new DataView(ints.buffer, job.pass);
  const { tables } = passLayout(structure.numbers, structure.ranks);
  const fieldOf = (table: number, field: number) => view.getInt32(tables[table] + field, true);
  const all = new Float64Array(parts.length);
  const number = new Map(parts.map((x, n) => [x, n]));
  const of = (x: Expression) => all[number.get(x)!];
  /** −1: out of range. */
  const placeOf = (x: Lookup) => {
    let place = 0;
    for (const [axis, index] of x.indices.entries()) {
      const last = fieldOf(x.table, PASS_TABLE.extents + 4 * axis) - 1;
      const at = of(index);
      if (x.outside !== undefined && (at < 0 || at > last)) return -1;
      place = place * (last + 1) + Math.max(0, Math.min(last, at));
    }
    return place;
  };
  const read = (x: Lookup) => {
    const place = placeOf(x);
    if (place < 0) return x.outside!;
    const pointer = fieldOf(x.table, PASS_TABLE.pointer);
    if (x.type === "bool") return bytes[pointer + place];
    return x.type === "int" ? ints[(pointer >>> 2) + place] : reals[(pointer >>> views.shift) + place];
  };
  const compute = (pair: Pair) => {
    parts.forEach((x, n) => {
      if (x.op === "constant") all[n] = view.getFloat64(8 * numberOf.get(x)!, true);
      else if (x.op === "variable") all[n] = pair[x.name];
      else if (x.op === "lookup") all[n] = read(x);
      else all[n] = scalarOf(x.op, x.type)(...operandsOf(x).map(of));
    });
  };
  return {
    value(pair) {
      compute(pair);
      return of(value);
    },
    gradient(gradient, pair, chunk) {
      compute(pair);
      for (const { lookup, derivative } of lookups) {
        const [pointer, place] = [fieldOf(lookup.table, PASS_TABLE.gradient), placeOf(lookup)];
        if (pointer === 0 || place < 0) continue;
        reals[(pointer >>> views.shift) + chunk * fieldOf(lookup.table, PASS_TABLE.gradientChunk) + place] += gradient * of(derivative);
      }
      return slope === undefined ? gradient : gradient * of(slope);
    },
  };
}
