import { f32x4, i32, i32x4, i64, v128, type FunctionHandle, type ModuleBuilder } from "@heed/kernels/assembler";
import { overStrip } from "./strip.ts";
import { jobOf, OF_WORK, workOf, type Int } from "./work.ts";

/** Rotations of Threefry's rounds; after four rounds the key is added again (threefry.ts of @heed/kernels). */
const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

/** `draw`: the dropout factors of a strip's pairs, into its words. `drop`: multiplies a strip that lies like the strip with them. */
export function defineDropout(m: ModuleBuilder): {
  draw: FunctionHandle<typeof OF_WORK, undefined>;
  drop: FunctionHandle<{ work: "i32"; strip: "i32" }, undefined>;
} {
  /** Fills `out` with the factors of a row, and gives where the first is: words come in pairs, and a row may begin with the second of one. */
  const drawRow = m.internal("drawRow", { params: { work: "i32", row: "i32", out: "i32" }, result: "i32" }, (f, { work, row, out }) => {
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

    const [k0, k1] = [job.local("dropoutKey0"), job.local("dropoutKey1")];
    const k2 = f.let(i32.xor(i32.xor(k0, k1), 0x1bd11bda));
    const keys = [k0, k1, k2].map((key) => f.let(i32x4.splat(key)));
    const shifted = [k2, k0, k1, k2, k0].map((key, i) => f.let(i32x4.splat(i32.add(key, i + 1))));
    const most = f.let(i32x4.splat(job.int("dropoutLimit")));
    const kept = f.let(f32x4.splat(job.real("dropoutFactor")));
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
      x.set(v128.and(i32x4.leU(x, most), kept));
      y.set(v128.and(i32x4.leU(y, most), kept));
      f.store(out, f32x4.shuffle(x, y, [0, 4, 1, 5]));
      f.store(out, f32x4.shuffle(x, y, [2, 6, 3, 7]), 16);
      f.increment(out, 32);
    });
    f.return(start);
  });

  const draw = m.internal("draw", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const [row, rowBytes, table] = [w.local("row"), w.local("wordRow"), w.local("words")];
    const out = f.let(i32.add(table, TABLE_BYTES));
    f.forRange(0, w.int("rows"), 1, () => {
      f.store(table, f.call(drawRow, { work, row, out }));
      f.increment(table, 4);
      f.increment(row, 1);
      f.increment(out, rowBytes);
    });
  });

  const drop = m.internal("drop", { params: { work: "i32", strip: "i32" } }, (f, { work, strip }) => {
    const w = workOf(f, work);
    const [table, factors] = [w.local("words"), f.local("i32")];
    overStrip(f, w, {
      start: strip,
      row: () => {
        factors.set(i32.load(table));
        f.increment(table, 4);
      },
      other: [factors],
      vectors: (at) => {
        for (const offset of [0, 16]) f.store(at, f32x4.mul(v128.load(at, offset), v128.load(factors, offset)), offset);
      },
    });
  });
  return { draw, drop };
}

/** The addresses of the rows come before the rows. */
const TABLE_BYTES = 32;

/** Bytes of `words` for strips of `rows`, whose factors take `rowBytes` each: a row's width, and room for the words that go with it. */
export const wordsBytes = (rowBytes: Int, rows: number): ReturnType<typeof i32.add> => i32.add(i32.mul(rowBytes, rows), TABLE_BYTES);
