import { f32x4, i32, i32x4, select, v128, type FunctionBuilder, type FunctionHandle, type ModuleBuilder } from "@heed/kernels/assembler";
import { tileColumns } from "@heed/kernels/building-blocks";
import { JOB, MASK_FORMS } from "./job.ts";
import { overRows, overStrip } from "./strip.ts";
import { jobOf, OF_WORK, workOf, type Int, type Work } from "./work.ts";

/** log2 of the rows and columns of a tile of verdicts. */
const TILE = 6;
const [EMPTY, FULL, MIXED] = [0, 1, 2];

/** Where a mask begins for the sample and head at work: `low`/`high` pairs or verdicts. */
function ofHead(w: Work, job: ReturnType<typeof jobOf>): ReturnType<typeof i32.add> {
  return i32.add(i32.mul(w.int("b"), job.int("maskBatch")), i32.mul(w.int("h"), job.int("maskHead")));
}

/** Calls `body` with the range of keys of each of `rows` rows from `row` on, clipped to [from, to); empty ones are left out. */
function overRanges(
  f: FunctionBuilder,
  w: Work,
  { row, rows, from, to }: { row: Int; rows: Int; from: Int; to: Int },
  body: (low: Int, high: Int, which: Int) => void,
): void {
  const job = jobOf(f, w.local("job"));
  const ranges = job.local("ranges");
  const at = f.let(i32.add(job.int("bounds"), i32.shl(i32.add(ofHead(w, job), i32.mul(i32.shl(row, 1), ranges)), 2)));
  const [low, high] = f.locals("i32", 2);
  f.forRange(0, rows, 1, () => {
    f.forRange(0, ranges, 1, (which) => {
      low.set(i32.load(at));
      low.set(i32.maxS(low, from));
      high.set(i32.load(at, 4));
      high.set(i32.minS(high, to));
      f.if(i32.ltS(low, high), () => body(low, high, which));
      f.increment(at, 8);
    });
  });
}

export interface MaskFunctions {
  /**
   * The smallest range of columns that holds all that rows [row, row + rows) may see of [from, to): low, or −1 if they see nothing; `high` at
   * `pair + 4`, low there too.
   */
  readonly hull: FunctionHandle<{ work: "i32"; row: "i32"; rows: "i32"; from: "i32"; to: "i32"; pair: "i32" }, undefined>;
  /**
   * Finds the next run of columns of the strip's rows, from `from` on within the tile: sets column, columns, width, strip, isFull. Gives where to look for
   * the one after it, or 0 when there was none.
   */
  readonly nextRun: FunctionHandle<{ work: "i32"; from: "i32"; strip: "i32" }, "i32">;
  /** Makes the closed pairs of the strip −∞, and the columns behind its last key. */
  readonly close: FunctionHandle<typeof OF_WORK, undefined>;
}

/** Which columns are computed, and which pairs of them are closed. */
export function defineMask(m: ModuleBuilder): MaskFunctions {
  const panel = tileColumns(m.build);

  const verdictParams = { work: "i32", row: "i32", column: "i32" } as const;
  /** The address of the verdict of the tile where that row and column lie. */
  const verdictAt = m.internal("verdictAt", { params: verdictParams, result: "i32" }, (f, { work, row, column }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const across = i32.shrU(i32.add(job.int("S"), (1 << TILE) - 1), TILE);
    const tile = i32.add(i32.mul(i32.shrU(row, TILE), across), i32.shrU(column, TILE));
    f.return(i32.add(job.int("verdicts"), i32.add(ofHead(w, job), tile)));
  });
  const spanParams = { work: "i32", row: "i32", rows: "i32", column: "i32" } as const;
  /** The verdict over some rows of a column of tiles: that of all of them, or mixed. */
  const verdictOf = m.internal("verdictOf", { params: spanParams, result: "i32" }, (f, { work, row, rows, column }) => {
    const verdict = f.let(i32.load8U(f.call(verdictAt, { work, row, column })));
    const end = f.let(i32.add(row, rows));
    row.set(i32.add(i32.and(row, -(1 << TILE)), 1 << TILE));
    f.if(i32.ltS(row, end), () => {
      f.doWhile(i32.ltS(row, end), () => {
        f.if(i32.ne(verdict, i32.load8U(f.call(verdictAt, { work, row, column }))), () => verdict.set(MIXED));
        f.increment(row, 1 << TILE);
      });
    });
    f.return(verdict);
  });

  const hullParams = { work: "i32", row: "i32", rows: "i32", from: "i32", to: "i32", pair: "i32" } as const;
  const hull = m.internal("hull", { params: hullParams }, (f, { work, row, rows, from, to, pair }) => {
    const w = workOf(f, work);
    const form = i32.load(w.local("job"), JOB.at.maskForm);
    const [least, most] = [f.let(i32.const(0x7fffffff)), f.let(i32.const(-1))];
    const include = (low: Int, high: Int) => {
      least.set(i32.minS(least, low));
      most.set(i32.maxS(most, high));
    };
    const which = f.let(form);
    f.if(i32.eq(which, MASK_FORMS.none), () => include(from, to));
    f.if(i32.eq(which, MASK_FORMS.ranges), () => overRanges(f, w, { row, rows, from, to }, include));
    f.if(i32.eq(which, MASK_FORMS.tiles), () => {
      const [low, high] = f.locals("i32", 2);
      f.forRange(i32.and(from, -(1 << TILE)), to, 1 << TILE, (column) => {
        f.if(i32.ne(f.call(verdictOf, { work, row, rows, column }), EMPTY), () => {
          low.set(i32.maxS(column, from));
          high.set(i32.add(column, 1 << TILE));
          high.set(i32.minS(high, to));
          include(low, high);
        });
      });
    });
    f.store(pair, least);
    f.store(pair, most, 4);
  });

  const nextRun = m.internal(
    "nextRun",
    { params: { work: "i32", from: "i32", strip: "i32" }, result: "i32" },
    (f, { work, from, strip }) => {
      const w = workOf(f, work);
      const form = f.let(i32.load(w.local("job"), JOB.at.maskForm));
      const [row, rows, tile, end] = [w.local("row"), w.local("rows"), w.local("tile"), w.local("tileEnd")];
      const [low, high, full, next] = [f.let(from, "low"), f.let(end, "high"), f.let(i32.const(1), "full"), f.let(end, "next")];
      f.if(i32.geS(from, end), () => f.return(0));
      f.if(i32.eq(form, MASK_FORMS.ranges), () => {
        const [count, lastLow, firstHigh] = [f.local("i32"), f.local("i32"), f.let(end)];
        low.set(0x7fffffff);
        high.set(-1);
        overRanges(f, w, { row, rows, from, to: end }, (oneLow, oneHigh) => {
          low.set(i32.minS(low, oneLow));
          high.set(i32.maxS(high, oneHigh));
          lastLow.set(i32.maxS(lastLow, oneLow));
          firstHigh.set(i32.minS(firstHigh, oneHigh));
          f.increment(count, 1);
        });
        f.if(i32.ltS(high, 0), () => f.return(0));
        // Columns are computed from the beginning of a panel on.
        low.set(i32.add(tile, i32.and(i32.sub(low, tile), -panel)));
        // Each row must have a range that is the whole run.
        full.set(i32.and(i32.eq(count, rows), i32.and(i32.eq(lastLow, low), i32.eq(firstHigh, high))));
      });
      f.if(i32.eq(form, MASK_FORMS.tiles), () => {
        const verdict = f.local("i32");
        high.set(from);
        // Skips empty tiles, then takes all up to the next empty one.
        f.block((found) => {
          f.loop((again) => {
            verdict.set(f.call(verdictOf, { work, row, rows, column: high }));
            f.if(
              i32.eqz(verdict),
              () => f.branchIf(found, i32.ltS(low, high)),
              () => full.set(i32.and(full, i32.eq(verdict, FULL))),
            );
            high.set(i32.add(i32.and(high, -(1 << TILE)), 1 << TILE));
            high.set(i32.minS(high, end));
            low.set(select(i32.eqz(verdict), high, low));
            f.branchIf(again, i32.ltS(high, end));
          });
        });
        f.if(i32.geS(low, high), () => f.return(0));
        next.set(high);
        low.set(i32.add(tile, i32.and(i32.sub(low, tile), -panel)));
      });
      const columns = f.let(i32.sub(high, low));
      w.set("column", low);
      w.set("columns", columns);
      w.set("width", i32.and(i32.add(columns, panel - 1), -panel));
      w.set("isFull", full);
      w.set("strip", i32.add(strip, i32.shl(i32.sub(low, tile), 2)));
      f.return(next);
    },
  );

  const closeParams = { row: "i32", from: "i32", to: "i32" } as const;
  /** Makes columns [from, to) of a row −∞, by whole vectors, of which the others stay: who reads vectors waits long for numbers written one by one. */
  const closeColumns = m.internal("closeColumns", { params: closeParams }, (f, { row, from, to }) => {
    const [closed, lane] = [f.let(f32x4.splat(-Infinity)), f.let(i32x4.const(0, 1, 2, 3))];
    const [at, columns] = [f.local("i32"), f.local("v128")];
    f.forRange(i32.and(from, -4), to, 4, (j) => {
      at.set(i32.add(row, i32.shl(j, 2)));
      columns.set(i32x4.add(i32x4.splat(j), lane));
      const isClosed = v128.and(i32x4.geS(columns, i32x4.splat(from)), i32x4.ltS(columns, i32x4.splat(to)));
      f.store(at, v128.bitselect(closed, v128.load(at), isClosed));
    });
  });

  const close = m.internal("close", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const column = w.local("column");
    const [end, stop] = [f.let(i32.add(column, w.int("columns"))), f.let(i32.add(column, w.int("width")))];
    /** Rows as they would begin if column 0 lay in the strip. */
    const overWhole = (body: (row: Int) => void) => overRows(f, w, body, i32.sub(w.int("strip"), i32.shl(column, 2)));
    f.if(i32.and(i32.eq(job.int("maskForm"), MASK_FORMS.ranges), i32.eqz(w.int("isFull"))), () => {
      const ranges = job.local("ranges");
      const bounds = f.let(i32.add(job.int("bounds"), i32.shl(i32.add(ofHead(w, job), i32.mul(i32.shl(w.int("row"), 1), ranges)), 2)));
      const [low, high, next] = f.locals("i32", 3);
      overWhole((row) => {
        next.set(column);
        f.forRange(0, ranges, 1, () => {
          low.set(i32.load(bounds));
          low.set(i32.maxS(low, next));
          high.set(i32.load(bounds, 4));
          high.set(i32.minS(high, end));
          f.if(i32.ltS(low, high), () => {
            f.call(closeColumns, { row, from: next, to: low });
            next.set(high);
          });
          f.increment(bounds, 8);
        });
        f.call(closeColumns, { row, from: next, to: stop });
      });
      f.return();
    });
    overWhole((row) => f.call(closeColumns, { row, from: end, to: stop }));
    f.if(w.int("isFull"), () => f.return());
    const closed = f.let(f32x4.splat(-Infinity));
    const [j, isOpen] = f.locals("v128", 2);
    // A byte of bits is eight columns.
    const weights = [f.let(i32x4.const(1, 2, 4, 8)), f.let(i32x4.const(16, 32, 64, 128))];
    const zero = f.local("v128");
    const [row, verdict, byte, head] = [w.local("row"), ...f.locals("i32", 3)];
    head.set(i32.add(job.int("verdicts"), ofHead(w, job)));
    const [bitsAt, bits, verdicts] = [job.local("bitsAt"), job.local("bits"), job.local("verdicts")];
    const S = job.local("S");
    overStrip(f, w, {
      row: () => column.set(w.int("column")),
      vectors: (at) => {
        // The padding may reach beyond the last tile.
        byte.set(0);
        f.if(i32.ltS(column, S), () => {
          verdict.set(f.call(verdictAt, { work, row, column }));
          byte.set(i32.mul(i32.eq(i32.load8U(verdict), FULL), 255));
          f.if(i32.eq(i32.load8U(verdict), MIXED), () => {
            const offset = i32.load(i32.add(bitsAt, i32.shl(i32.sub(verdict, verdicts), 2)));
            const within = i32.add(i32.shl(i32.and(row, 63), 3), i32.shrU(i32.and(column, 63), 3));
            byte.set(i32.load8U(i32.add(bits, i32.add(offset, within))));
          });
        });
        j.set(i32x4.splat(byte));
        for (const [half, weight] of weights.entries()) {
          isOpen.set(i32x4.ne(v128.and(j, weight), zero));
          f.store(at, v128.bitselect(v128.load(at, 16 * half), closed, isOpen), 16 * half);
        }
        f.increment(column, 8);
      },
      after: () => f.increment(row, 1),
    });
  });
  return { hull, nextRun, close };
}
