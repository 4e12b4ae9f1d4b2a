import { f32x4, i32, i32x4, i64, v128, type FunctionBuilder, type FunctionHandle, type ModuleBuilder } from "@heed/kernels/assembler";
import { Constants, logBlock } from "@heed/kernels/building-blocks";
import { overStrip } from "./strip.ts";
import { jobOf, OF_WORK, workOf, type Int, type Work } from "./work.ts";

/** Rotations of Threefry's rounds; after four rounds the key is added again (threefry.ts of @heed/kernels). */
const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

const KEY = { k0: "i32", k1: "i32" } as const;
export type Draw = FunctionHandle<{ work: "i32" } & typeof KEY, undefined>;

/** The words of a key that belong to a strip's pairs, into its room for words. */
export function defineDraw(m: ModuleBuilder): Draw {
  /** Fills `out` with the words of a row, and gives where the first is: words come in pairs, and a row may begin with the second of one. */
  const rowParams = { work: "i32", row: "i32", out: "i32", ...KEY } as const;
  const drawRow = m.internal("drawRow", { params: rowParams, result: "i32" }, (f, { work, row, out, k0, k1 }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    // Element ((b · H + h) · L + i) · S + j of the stream; words come in pairs, of one counter.
    const times = (a: ReturnType<typeof i64.mul>, field: "H" | "L" | "S", plus: ReturnType<typeof i32.add>) =>
      i64.add(i64.mul(a, i64.extendI32S(job.int(field))), i64.extendI32S(plus));
    const element = f.let(times(times(times(i64.extendI32S(w.int("b")), "H", w.int("h")), "L", row), "S", w.int("column")));
    const isOdd = f.let(i32.and(i32.wrapI64(element), 1));
    const pair = f.let(i64.shrU(element, 1n));
    const low = f.let(i32.wrapI64(pair));
    const high = f.let(i32.wrapI64(i64.shrU(pair, 32n)));

    const k2 = f.let(i32.xor(i32.xor(k0, k1), 0x1bd11bda));
    const keys = [k0, k1, k2].map((key) => f.let(i32x4.splat(key)));
    const shifted = [k2, k0, k1, k2, k0].map((key, i) => f.let(i32x4.splat(i32.add(key, i + 1))));
    const counters = f.let(i32x4.add(i32x4.splat(low), i32x4.const(0, 1, 2, 3)));
    const lows = f.let(i32x4.splat(low));
    const highs = f.let(i32x4.splat(high));
    const step = f.let(i32x4.const(4));
    const [x, y] = f.locals("v128", 2);
    const start = f.let(i32.add(out, i32.shl(isOdd, 2)));
    f.forRange(0, i32.add(w.int("width"), 1), 8, () => {
      x.set(i32x4.add(counters, keys[0]));
      // The high word is one more in the lanes where the low one began anew.
      y.set(i32x4.add(i32x4.sub(highs, i32x4.ltU(counters, lows)), keys[1]));
      for (let turn = 0; turn < 5; turn++) {
        for (const bits of ROTATIONS[turn % 2]) {
          x.set(i32x4.add(x, y));
          y.set(v128.xor(v128.or(i32x4.shl(y, bits), i32x4.shrU(y, 32 - bits)), x));
        }
        x.set(i32x4.add(x, keys[(turn + 1) % 3]));
        y.set(i32x4.add(y, shifted[turn]));
      }
      counters.set(i32x4.add(counters, step));
      f.store(out, f32x4.shuffle(x, y, [0, 4, 1, 5]));
      f.store(out, f32x4.shuffle(x, y, [2, 6, 3, 7]), 16);
      f.increment(out, 32);
    });
    f.return(start);
  });

  return m.internal("draw", { params: { work: "i32", ...KEY } }, (f, { work, k0, k1 }) => {
    const w = workOf(f, work);
    const [row, rowBytes, table] = [w.local("row"), w.local("wordRow"), w.local("words")];
    const out = f.let(i32.add(table, TABLE_BYTES));
    f.forRange(0, w.int("rows"), 1, () => {
      f.store(table, f.call(drawRow, { work, row, out, k0, k1 }));
      f.increment(table, 4);
      f.increment(row, 1);
      f.increment(out, rowBytes);
    });
  });
}

/** Multiplies a strip that lies like the strip with the dropout factors of its pairs, whose words were drawn. */
export function defineDrop(m: ModuleBuilder): FunctionHandle<{ work: "i32"; strip: "i32" }, undefined> {
  return m.internal("drop", { params: { work: "i32", strip: "i32" } }, (f, { work, strip }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const most = f.let(i32x4.splat(job.int("dropoutLimit")));
    const kept = f.let(f32x4.splat(job.real("dropoutFactor")));
    overWords(f, w, strip, (at, words) => {
      for (const offset of [0, 16]) {
        const factor = v128.and(i32x4.leU(v128.load(words, offset), most), kept);
        f.store(at, f32x4.mul(v128.load(at, offset), factor), offset);
      }
    });
  });
}

/**
 * Adds to the scores of a strip −log(−log u), with u from (0, 1) by the words drawn: the greatest is then a sample of their softmax
 * (Gumbel's trick).
 */
export function defineNoise(m: ModuleBuilder, draw: Draw): FunctionHandle<typeof OF_WORK, undefined> {
  return m.internal("noise", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    f.call(draw, { work, k0: job.int("noiseKey0"), k1: job.int("noiseKey1") });
    const log = logBlock(new Constants(f));
    const [unit, least] = [2 ** -24, 2 ** -25].map((value) => f.let(f32x4.splat(value)));
    const x = f.local("v128");
    overWords(f, w, w.local("strip"), (at, words) => {
      for (const offset of [0, 16]) {
        x.set(f32x4.mul(f32x4.convertI32x4U(i32x4.shrU(v128.load(words, offset), 8)), unit));
        x.set(f32x4.neg(log(f.let(f32x4.pmax(x, least)))));
        f.store(at, f32x4.sub(v128.load(at, offset), log(x)), offset);
      }
    });
  });
}

/** Goes over a strip that lies like the strip, with the words of its pairs. */
function overWords(f: FunctionBuilder, w: Work, strip: Int, vectors: (at: Int, words: Int) => void): void {
  const [table, words] = [w.local("words"), f.local("i32")];
  overStrip(f, w, {
    start: strip,
    row: () => {
      words.set(i32.load(table));
      f.increment(table, 4);
    },
    other: [words],
    vectors: (at) => vectors(at, words),
  });
}

/** The addresses of the rows come before the rows. */
const TABLE_BYTES = 32;

/** Bytes of `words` for strips of `rows`, whose factors take `rowBytes` each: a row's width, and room for the words that go with it. */
export const wordsBytes = (rowBytes: Int, rows: number): ReturnType<typeof i32.add> => i32.add(i32.mul(rowBytes, rows), TABLE_BYTES);
