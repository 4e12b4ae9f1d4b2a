import { f32, f32x4, i32, v128, type FunctionBuilder, type FunctionHandle, type ModuleBuilder } from "@heed/kernels/assembler";
import { acrossLanes } from "./strip.ts";
import { jobOf, workOf, type Int, type Work } from "./work.ts";

// Tables of vectors that pairs read by the clipped distance of key and query (Shaw, Uszkoreit, Vaswani 2018, arXiv:1803.02155). A row of a strip meets few of
// them, one after the other, so a row's work is that of the vectors it meets, not of its pairs.

const TABLE = { work: "i32", strip: "i32", x: "i32", xRow: "i32", table: "i32", width: "i32", most: "i32" } as const;
export type Spread = FunctionHandle<typeof TABLE, undefined>;

/** Calls `row` for each row of a strip with its address, the first vector that it meets, their number, and `overColumns`. */
function overRowsOfTable(
  f: FunctionBuilder,
  w: Work,
  { strip, most }: { strip: Int; most: Int },
  row: (first: Int, count: Int, overColumns: (body: (at: Int, index: Int) => void) => void) => void,
): void {
  const job = jobOf(f, w.local("job"));
  const offset = job.local("queryOffset");
  f.if(job.int("queryOffsets"), () => offset.set(i32.load(i32.add(job.int("queryOffsets"), i32.shl(w.int("b"), 2)))));
  const [columns, rowBytes] = [w.local("columns"), w.local("stripRow")];
  const least = f.let(i32.sub(0, most));
  /** Of the first pair of the row. */
  const start = f.let(i32.sub(i32.sub(w.int("column"), w.int("row")), offset));
  const [distance, first, count, at, index] = f.locals("i32", 5);
  const clip = (to: Int, value: ReturnType<typeof i32.add>) => {
    to.set(value);
    to.set(i32.maxS(to, least));
    to.set(i32.minS(to, most));
    to.set(i32.add(to, most));
  };
  f.forRange(0, w.int("rows"), 1, () => {
    clip(first, i32.add(start, 0));
    clip(count, i32.sub(i32.add(start, columns), 1));
    count.set(i32.add(i32.sub(count, first), 1));
    row(first, count, (body) => {
      at.set(strip);
      distance.set(start);
      f.forRange(0, columns, 1, () => {
        clip(index, i32.add(distance, 0));
        body(at, index);
        f.increment(distance, 1);
        f.increment(at, 4);
      });
    });
    f.increment(start, -1);
    f.increment(strip, rowBytes);
  });
}

/** Adds to each pair of a strip the product of its row's `x` with the vector that the pair reads. */
export function defineSpread(m: ModuleBuilder): Spread {
  return m.internal("spread", { params: TABLE }, (f, { work, strip, x, xRow, table, width, most }) => {
    const w = workOf(f, work);
    const room = w.local("tableRoom");
    const [from, other, to] = f.locals("i32", 3);
    const [sum, zero] = f.locals("v128", 2);
    overRowsOfTable(f, w, { strip, most }, (first, count, overColumns) => {
      other.set(i32.add(table, i32.shl(i32.mul(first, width), 2)));
      to.set(room);
      f.forRange(0, count, 1, () => {
        from.set(x);
        sum.set(zero);
        const step = (load: (pointer: Int) => ReturnType<typeof v128.load>, bytes: number) => {
          sum.set(f.madd(load(from), load(other), sum));
          f.increment(from, bytes);
          f.increment(other, bytes);
        };
        f.vectorLoop(
          width,
          () => step((pointer) => v128.load(pointer), 16),
          () => step((pointer) => v128.load32Zero(pointer), 4),
        );
        f.store(
          to,
          acrossLanes(f, sum, (a, b) => f32x4.add(a, b)),
        );
        f.increment(to, 4);
      });
      overColumns((at, index) => {
        f.store(at, f32.add(f32.load(at), f32.load(i32.add(room, i32.shl(i32.sub(index, first), 2)))));
      });
      f.increment(x, xRow);
    });
  });
}

const COLLECT = {
  work: "i32",
  strip: "i32",
  x: "i32",
  xRow: "i32",
  table: "i32",
  width: "i32",
  most: "i32",
  out: "i32",
  outRow: "i32",
  gradient: "i32",
} as const;
export type Collect = FunctionHandle<typeof COLLECT, undefined>;

/**
 * Sums up a row's pairs by the vector that they read. Adds to its `out` the vectors times their sums, and to `gradient` at each vector the row's `x` times
 * the sum; 0 for either: not wanted.
 */
export function defineCollect(m: ModuleBuilder): Collect {
  return m.internal("collect", { params: COLLECT }, (f, { work, strip, x, xRow, table, width, most, out, outRow, gradient }) => {
    const w = workOf(f, work);
    const room = w.local("tableRoom");
    const [from, to, place, at] = f.locals("i32", 4);
    const factor = f.local("v128");
    /** `to += factor · from`, `width` numbers. */
    const addTo = (target: ReturnType<typeof i32.add>, source: ReturnType<typeof i32.add>) => {
      from.set(source);
      to.set(target);
      const step = (
        load: (pointer: Int) => ReturnType<typeof v128.load>,
        store: (value: ReturnType<typeof v128.load>) => void,
        bytes: number,
      ) => {
        store(f.madd(factor, load(from), load(to)));
        f.increment(from, bytes);
        f.increment(to, bytes);
      };
      f.vectorLoop(
        width,
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
    };
    overRowsOfTable(f, w, { strip, most }, (first, count, overColumns) => {
      f.memoryFill(room, 0, i32.shl(count, 2));
      overColumns((pair, index) => {
        place.set(i32.add(room, i32.shl(i32.sub(index, first), 2)));
        f.store(place, f32.add(f32.load(place), f32.load(pair)));
      });
      at.set(i32.shl(i32.mul(first, width), 2));
      place.set(room);
      f.forRange(0, count, 1, () => {
        factor.set(v128.load32Splat(place));
        f.if(out, () => addTo(i32.add(out, 0), i32.add(table, at)));
        f.if(gradient, () => addTo(i32.add(gradient, at), i32.add(x, 0)));
        f.increment(place, 4);
        f.increment(at, i32.shl(width, 2));
      });
      f.if(out, () => f.increment(out, outRow));
      f.increment(x, xRow);
    });
  });
}
