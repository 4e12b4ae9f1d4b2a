import { f32, f32x4, f64, i32, ModuleBuilder, select, v128, type Build } from "@heed/kernels/assembler";
import { Constants, definePack, logBlock, tileColumns, tileRows } from "@heed/kernels/building-blocks";
import { defineDraw, defineDrop, wordsBytes } from "./dropout.ts";
import { defineHold, HOLD_BYTES } from "./hold.ts";
import { MASK_FORMS } from "./job.ts";
import { defineMask } from "./mask.ts";
import { defineNormalise, definePower, defineShare, ROW_BYTES, ROW_STATE, ROW_TRUST } from "./normalise.ts";
import { defineProduct } from "./product.ts";
import { defineCollect, defineSpread } from "./relative.ts";
import type { ScorePass } from "./score-pass.ts";
import { defineScores } from "./scores.ts";
import { defineCopyRows, defineNotFinite, defineReadRows, defineTouchRows, defineTouchSample, type NotFinite } from "./tile.ts";
import { inPlace } from "./strip.ts";
import { packsRows, packStrips, setFactors } from "./factors.ts";
import { cutter, definePlace, flagsOf, STRIP_PADDING } from "./setup.ts";
import { stripPitch } from "./plan.ts";
import { addCounters, jobOf, OF_WORK, WORK, WORK_BYTES, workOf } from "./work.ts";

// A strip machine. A chunk is a block of query rows of one head. Tile after tile of keys is packed, and for each the block's strips of a few rows
// go through: product with the keys (product.ts) → scale, softcap, biases, scoreMod, mask (scores.ts, mask.ts) → weights, with the rows' maximum and sum
// carried on (normalise.ts) → dropout (dropout.ts) → product with the values, added to the rows' outputs. The strip stays in the first cache. The
// functions share one struct per thread (work.ts), so that a pass takes nothing but its address.
//
// Normalisers that need whole rows sweep over the tiles again and again (hold.ts), for as many rows at a time as scores can be held of.
//
// To add a pass over scores: a function of the work that changes the strip in place (overStrip of strip.ts), and a line in the list of
// scores.ts; its fields in job.ts, its meaning in reference.ts, its gradient in the list of streaming-backward. A scoreMod is such a pass, made from
// its expression while the program runs (score-pass.ts, expressions/pass.ts).

/**
 * The WebAssembly of streaming attention, forward.
 * @param pass a scoreMod that it holds
 */
export function wasm(build: Build, pass?: ScorePass): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const product = defineProduct(m, stripPitch());
  const mask = defineMask(m);
  const [spread, collect] = [defineSpread(m), defineCollect(m)];
  const [draw, drop] = [defineDraw(m), defineDrop(m)];
  const { scores, findFactor } = defineScores(m, product, mask, spread, draw, pass);
  const pack = definePack(m, tileColumns(build), { contiguous: true });
  const packQueries = definePack(m, tileRows(build), { contiguous: true });
  const [copyRows, touchRows] = [defineCopyRows(m), defineTouchRows(m)];
  const notFinite = defineNotFinite(m);
  const touchSample = defineTouchSample(m, touchRows, ["query", "key", "value"]);
  const power = definePower(m);
  const normalise = defineNormalise(m, power, scores);
  const share = defineShare(m, power);
  const { begin, measure, advance, weigh, save } = defineHold(m);
  const place = definePlace(m);
  const [panel, stripRows] = [tileColumns(build), tileRows(build)];

  /** Outputs so far times the factors of the last step. */
  const rescale = m.internal(
    "rescale",
    { params: { rows: "i32", state: "i32", out: "i32", outRow: "i32" } },
    (f, { rows, state, out, outRow }) => {
      const [at, end, factor] = [f.local("i32"), f.local("i32"), f.local("v128")];
      f.forRange(0, rows, 1, () => {
        at.set(out);
        end.set(i32.add(out, outRow));
        factor.set(v128.load32Splat(state, ROW_STATE.FACTOR));
        f.doWhile(i32.ltU(at, end), () => {
          inPlace(f, at, 2, (value) => f32x4.mul(value, factor));
          f.increment(at, 32);
        });
        f.increment(state, ROW_BYTES);
        f.increment(out, outRow);
      });
    },
  );

  /** Divides a row's output, writes it and what is saved of the row. */
  const finish = m.internal(
    "finish",
    { params: { work: "i32", row: "i32", state: "i32", sums: "i32" } },
    (f, { work, row, state, sums }) => {
      const w = workOf(f, work);
      const job = jobOf(f, w.local("job"));
      const at = f.let(i32.add(w.int("firstQuery"), row));
      const saved = f.let(
        i32.shl(
          i32.add(
            i32.add(i32.mul(w.int("b"), job.int("savedBatch")), i32.mul(w.int("h"), job.int("savedHead"))),
            i32.mul(at, job.int("savedRow")),
          ),
          2,
        ),
      );
      const [maximum, sum] = [f.let(f32.load(state, ROW_STATE.MAXIMUM)), f.let(f32.load(state, ROW_STATE.SUM))];
      const keep = (field: "rowMaximum" | "rowSum" | "lse", value: () => ReturnType<typeof f32.load>) =>
        f.if(job.int(field), () => f.store(i32.add(job.int(field), saved), value()));
      keep("rowMaximum", () => maximum);
      keep("rowSum", () => sum);
      keep("lse", () => {
        const log = logBlock(new Constants(f));
        return f32.add(f32.mul(maximum, w.real("factor")), f32x4.extractLane(log(f.let(f32x4.splat(sum))), 0));
      });

      const factor = f.let(f.call(share, { work, maximum, sum }));
      const factors = f.let(f32x4.splat(factor));
      const E = job.local("E");
      const out = f.let(job.address("output", [w.int("b"), "outputBatch"], [w.int("h"), "outputHead"], [at, "outputRow"]));
      f.vectorLoop(
        E,
        () => {
          const divided = f.sideBySide(2, (half) => f32x4.mul(v128.load(sums, 16 * half), factors));
          divided.forEach((part, half) => f.store(out, part, 16 * half));
          f.increment(sums, 32);
          f.increment(out, 32);
        },
        () => {
          f.store(out, f32.mul(f32.load(sums), factor));
          f.increment(sums, 4);
          f.increment(out, 4);
        },
        8,
      );
    },
  );

  const readRows = defineReadRows(m, notFinite, touchRows);

  /** Packs the keys of the tile, and copies its values if their rows are no whole panels; once per tile. */
  const prepareTile = m.internal("prepareTile", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    f.if(w.int("isPacked"), () => f.return());
    w.set("isPacked", 1);
    const [b, head] = [w.local("b"), w.local("headOfKey")];
    const columns = f.let(i32.sub(w.int("tileEnd"), w.int("tile")));
    const row = f.let(i32.add(w.int("firstKey"), w.int("tile")));
    const room = w.local("room");
    f.if(w.int("scores"), () => {
      w.count("tiles", i32.const(1));
      const [keyRow, D] = [f.let(i32.shl(job.int("keyRow"), 2)), job.local("D")];
      const keys = f.let(job.address("key", [b, "keyBatch"], [head, "keyHead"], [row, "keyRow"]));
      f.call(readRows, { work, source: keys, sourceRow: keyRow, rows: columns, width: D });
      f.if(job.int("badKey"), () => {
        const bytes = f.let(i32.shl(D, 2));
        const flags = flagsOf(w, job, "Key", row);
        f.call(copyRows, { source: keys, sourceRow: keyRow, rows: columns, bytes, to: room, toRow: bytes, padding: 0, flags });
        keys.set(room);
        keyRow.set(bytes);
      });
      f.call(pack, { lines: columns, from: 0, steps: D, source: keys, lineStride: keyRow, stepStride: 4, packed: w.int("keyPanels") });
    });
    f.if(i32.eqz(w.int("weighs")), () => f.return());
    const source = f.let(job.address("value", [b, "valueBatch"], [head, "valueHead"], [row, "valueRow"]));
    const sourceRow = f.let(i32.shl(job.int("valueRow"), 2));
    f.call(readRows, { work, source, sourceRow, rows: columns, width: job.int("E") });
    const [bytes, toRow] = [f.let(i32.shl(job.int("E"), 2)), f.local("i32")];
    toRow.set(i32.and(i32.add(bytes, 4 * panel - 1), -4 * panel));
    f.if(
      i32.and(i32.eq(bytes, toRow), i32.eqz(job.int("badValue"))),
      () => {
        w.set("values", source);
        w.set("valueRow", sourceRow);
      },
      () => {
        const flags = flagsOf(w, job, "Value", row);
        f.call(copyRows, { source, sourceRow, rows: columns, bytes, to: room, toRow, padding: i32.sub(toRow, bytes), flags });
        w.set("values", room);
        w.set("valueRow", toRow);
      },
    );
  });

  /** The strip's rows of weights, with dropout, times the values: added to their outputs. */
  const addValues = m.internal("addValues", { params: { work: "i32", out: "i32" } }, (f, { work, out }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const outRow = w.local("outRow");
    f.if(job.int("dropout"), () => {
      f.call(draw, { work, k0: job.int("dropoutKey0"), k1: job.int("dropoutKey1") });
      f.call(drop, { work, strip: w.int("strip") });
    });
    const ofColumn = i32.mul(i32.sub(w.int("column"), w.int("tile")), w.int("valueRow"));
    f.call(product, {
      rows: w.int("rows"),
      panels: i32.divU(outRow, 4 * panel),
      steps: w.int("columns"),
      a: w.int("strip"),
      rowA: w.int("stripRow"),
      stepA: 4,
      b: i32.add(w.int("values"), ofColumn),
      stepB: w.int("valueRow"),
      panelB: 4 * panel,
      c: out,
      rowC: outRow,
      load: 1,
    });
    f.if(job.int("valueTable"), () =>
      f.call(collect, {
        work,
        strip: w.int("strip"),
        x: 0,
        xRow: 0,
        table: job.address("valueTable", [w.int("h"), "valueTableHead"]),
        width: job.int("E"),
        most: job.int("valueTableDistance"),
        out,
        outRow,
        gradient: 0,
      }),
    );
  });

  /** The queries of the strip's rows, in place where they can be. */
  const findQueries = m.internal("findQueries", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const at = f.let(i32.add(w.int("firstQuery"), w.int("row")));
    const source = f.let(job.address("query", [w.int("b"), "queryBatch"], [w.int("h"), "queryHead"], [at, "queryRow"]));
    const sourceRow = f.let(i32.shl(job.int("queryRow"), 2));
    f.if(job.int("badQuery"), () => {
      const flags = flagsOf(w, job, "Query", at);
      const [to, bytes] = [w.local("queryRoom"), f.let(i32.shl(job.int("D"), 2))];
      f.call(copyRows, { source, sourceRow, rows: w.int("rows"), bytes, to, toRow: bytes, padding: 0, flags });
      source.set(to);
      sourceRow.set(bytes);
    });
    w.set("query", source);
    w.set("queryRow", sourceRow);
    const [panels, row, width] = [w.local("queryPanels"), i32.sub(w.int("row"), w.int("firstRow")), job.local("D")];
    setFactors(f, w, "query", { panels, row, width, stripRows });
  });

  /** Goes over the tiles that the block sees, and over the strips of rows [first, last) in each. */
  const sweep = m.internal("sweep", { params: { work: "i32", first: "i32", last: "i32" } }, (f, { work, first, last }) => {
    const w = workOf(f, work);
    const [start, end, columns, outRow] = [w.local("from"), w.local("to"), w.local("columnsOfTile"), w.local("outRow")];
    const [held, heldRow, firstRow] = [w.local("held"), w.local("heldRow"), w.local("firstRow")];
    const [computes, weighs] = [w.local("scores"), w.local("weighs")];
    const holds = f.let(jobOf(f, w.local("job")).int("heldBytes"));
    const [tileEnd, rest, next, out, state, hold, strip] = f.locals("i32", 7);
    f.if(
      held,
      () => w.set("stripRow", heldRow),
      () => w.set("stripRow", stripPitch()),
    );
    f.forRange(start, end, columns, (tile) => {
      tileEnd.set(i32.add(tile, columns));
      tileEnd.set(i32.minS(tileEnd, end));
      w.set("tile", tile);
      w.set("tileEnd", tileEnd);
      w.set("isPacked", 0);
      f.forRange(first, last, stripRows, (row) => {
        rest.set(i32.sub(last, row));
        w.set("row", row);
        w.set("rows", i32.minS(rest, stripRows));
        strip.set(w.int("stripRoom"));
        f.if(held, () => strip.set(i32.add(held, i32.add(i32.mul(i32.sub(row, first), heldRow), i32.shl(i32.sub(tile, start), 2)))));
        next.set(f.call(mask.nextRun, { work, from: tile, strip }));
        f.if(next, () => {
          f.call(prepareTile, { work });
          f.if(computes, () => f.call(findQueries, { work }));
          const index = f.let(i32.sub(row, firstRow));
          out.set(i32.add(w.int("outs"), i32.mul(index, outRow)));
          state.set(i32.add(w.int("states"), i32.mul(index, ROW_BYTES)));
          hold.set(i32.add(w.int("holds"), i32.mul(index, HOLD_BYTES)));
          f.doWhile(next, () => {
            f.if(computes, () => {
              f.call(scores, { work });
              w.count("cells", i32.mul(w.int("rows"), w.int("width")));
            });
            f.if(
              holds,
              () =>
                f.if(
                  weighs,
                  () => f.call(weigh, { work, state, hold }),
                  () => f.call(measure, { work, state, hold }),
                ),
              () => f.if(f.call(normalise, { work, state }), () => f.call(rescale, { rows: w.int("rows"), state, out, outRow })),
            );
            f.if(weighs, () => f.call(addValues, { work, out }));
            next.set(f.call(mask.nextRun, { work, from: next, strip }));
          });
        });
      });
    });
  });

  /** A block's rows by a normaliser that needs them whole: a few at a time, sweep after sweep. */
  const sweepHeld = m.internal("sweepHeld", { params: { work: "i32", rows: "i32" } }, (f, { work, rows }) => {
    const w = workOf(f, work);
    const [firstRow, room] = [w.local("firstRow"), w.local("held")];
    const width = i32.sub(w.int("to"), w.int("from"));
    const rowBytes = f.let(i32.add(i32.shl(i32.and(i32.add(width, 15), -16), 2), STRIP_PADDING));
    const together = f.let(i32.divU(jobOf(f, w.local("job")).int("heldBytes"), rowBytes));
    together.set(i32.minS(together, rows));
    f.if(i32.gtS(together, stripRows), () => together.set(i32.sub(together, i32.remU(together, stripRows))));
    f.if(i32.eqz(together), () => {
      w.set("held", 0);
      together.set(rows);
    });
    w.set("heldRow", rowBytes);
    const isAgain = f.let(i32.eqz(w.int("held")));
    const end = f.let(i32.add(firstRow, rows));
    const [last, state, hold] = f.locals("i32", 3);
    f.forRange(firstRow, end, together, (first) => {
      last.set(i32.add(first, together));
      last.set(i32.minS(last, end));
      const count = f.let(i32.sub(last, first));
      state.set(i32.add(w.int("states"), i32.mul(i32.sub(first, firstRow), ROW_BYTES)));
      hold.set(i32.add(w.int("holds"), i32.mul(i32.sub(first, firstRow), HOLD_BYTES)));
      f.call(begin, { hold, rows: count });
      w.set("scores", 1);
      w.set("weighs", 0);
      f.doWhile(f.call(advance, { work, state, hold, rows: count }), () => {
        f.call(sweep, { work, first, last });
        w.set("scores", isAgain);
      });
      w.set("weighs", 1);
      f.call(sweep, { work, first, last });
      f.call(save, { work, hold, row: first, rows: count });
    });
    w.set("held", room);
  });

  const CHUNK = { work: "i32", chunk: "i32", space: "i32" } as const;
  const runChunk = m.internal("chunk", { params: CHUNK }, (f, { work, chunk, space }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const [blockRows, H, E] = [job.local("blockRows"), job.local("H"), job.local("E")];
    // The last block of every head, then the one before it: where masks are causal the longest go first, so that threads end together.
    const heads = f.let(i32.mul(job.int("B"), H));
    const head = f.let(i32.remU(chunk, heads));
    const h = f.let(i32.remU(head, H));
    f.call(place, { work, b: i32.divU(head, H), h });
    f.if(i32.eqz(h), () => f.call(touchSample, { work, to: space }));
    f.call(findFactor, { work });
    const blocks = i32.divU(i32.sub(i32.add(job.int("L"), blockRows), 1), blockRows);
    const first = f.let(i32.mul(i32.sub(i32.sub(blocks, 1), i32.divU(chunk, heads)), blockRows), "first");
    const rows = f.let(i32.sub(w.int("L"), first), "rows");
    rows.set(i32.minS(rows, blockRows));
    f.if(i32.leS(rows, 0), () => f.return());

    const cut = cutter(f, space);
    const tileNumbers = job.local("tileColumns");
    const outRow = f.let(i32.shl(i32.and(i32.add(E, panel - 1), -panel), 2), "outRow");
    const pair = cut(i32.const(16));
    w.set("keyPanels", cut(i32.shl(i32.mul(tileNumbers, job.int("D")), 2)));
    const keyBytes = f.let(i32.shl(job.int("D"), 2));
    w.set("room", cut(i32.mul(tileNumbers, i32.maxS(outRow, keyBytes))));
    w.set("queryRoom", cut(i32.mul(keyBytes, stripRows)));
    w.set("queryPanels", 0);
    const areDots = i32.eqz(i32.or(job.int("badQuery"), job.int("scoreForm")));
    f.if(i32.and(areDots, packsRows(w.int("S"), job.local("D"))), () => w.set("queryPanels", cut(i32.mul(blockRows, keyBytes))));
    const stripRow = f.let(i32.const(stripPitch()));
    w.set("stripRoom", cut(i32.mul(stripRow, stripRows)));
    w.set("wordRow", stripRow);
    w.set("tableRoom", cut(stripRow));
    w.set("words", cut(wordsBytes(stripRow, stripRows)));
    const states = cut(i32.mul(blockRows, ROW_BYTES));
    const outs = cut(i32.mul(blockRows, outRow));
    w.set("firstRow", first);
    w.set("states", states);
    w.set("outs", outs);
    w.set("outRow", outRow);
    w.set("held", 0);
    f.if(job.int("heldBytes"), () => {
      w.set("holds", cut(i32.mul(blockRows, HOLD_BYTES)));
      w.set("held", cut(job.int("heldBytes")));
    });

    f.memoryFill(outs, 0, i32.mul(rows, outRow));
    const state = f.let(states);
    // Biases may grow from key to key, as those of distances do.
    const trust = f.let(
      pass === undefined
        ? select(job.int("biasCount"), i32.const(ROW_TRUST.always), i32.const(ROW_TRUST.none))
        : i32.const(ROW_TRUST.always),
    );
    f.forRange(0, rows, 1, () => {
      f.store(state, f32.const(-Infinity), ROW_STATE.MAXIMUM);
      f.store(state, f32.const(0), ROW_STATE.SUM);
      f.store(state, trust, ROW_STATE.TRUST);
      f.increment(state, ROW_BYTES);
    });

    // The keys that the block may see, in tiles of equal size.
    f.call(mask.hull, { work, row: first, rows, from: 0, to: w.int("S"), pair });
    const [start, end] = [
      f.let(i32.and(i32.load(pair), select(i32.eq(job.int("maskForm"), MASK_FORMS.tiles), i32.const(-64), i32.const(-8))), "start"),
      f.let(i32.load(pair, 4), "end"),
    ];
    const width = f.let(i32.sub(end, start), "width");
    f.if(i32.gtS(width, 0), () => {
      const tiles = f.let(i32.divU(i32.sub(i32.add(width, tileNumbers), 1), tileNumbers));
      w.set("from", start);
      w.set("to", end);
      const source = f.let(
        job.address("query", [w.int("b"), "queryBatch"], [w.int("h"), "queryHead"], [i32.add(w.int("firstQuery"), first), "queryRow"]),
      );
      const [sourceRow, D] = [f.let(i32.shl(job.int("queryRow"), 2)), job.local("D")];
      f.call(readRows, { work, source, sourceRow, rows, width: D });
      const panels = w.local("queryPanels");
      f.if(panels, () => packStrips(f, packQueries, { rows, width: D, source, sourceRow, panels, stripRows }));
      w.set("columnsOfTile", i32.and(i32.add(i32.divU(i32.sub(i32.add(width, tiles), 1), tiles), 15), -16));
      f.if(
        job.int("heldBytes"),
        () => f.call(sweepHeld, { work, rows }),
        () => {
          w.set("scores", 1);
          w.set("weighs", 1);
          f.call(sweep, { work, first, last: i32.add(first, rows) });
        },
      );
    });

    state.set(states);
    f.forRange(0, rows, 1, (row) => {
      f.call(finish, { work, row: i32.add(first, row), state, sums: outs });
      f.increment(state, ROW_BYTES);
      f.increment(outs, outRow);
    });
  });

  m.func("forward", { params: { job: "i32", from: "i32", to: "i32", scratch: "i32" } }, (f, { job, from, to, scratch }) => {
    const w = workOf(f, scratch);
    w.set("job", job);
    const given = jobOf(f, job);
    f.forRange(from, to, 1, (chunk) => {
      f.store(scratch, f64.const(0), WORK.at.cells);
      f.store(scratch, f64.const(0), WORK.at.tiles);
      f.call(runChunk, { work: scratch, chunk, space: i32.add(scratch, WORK_BYTES) });
      const counters = i32.add(given.int("counters"), i32.shl(chunk, 4));
      f.if(given.int("counters"), () => addCounters(f, counters, scratch, ["cells", "tiles"]));
    });
  });
  defineFlagRows(m, notFinite);
  return m.toBytes();
}

function defineFlagRows(m: ModuleBuilder, notFinite: NotFinite): void {
  const params = {
    x: "i32",
    batches: "i32",
    heads: "i32",
    rows: "i32",
    width: "i32",
    batchStride: "i32",
    headStride: "i32",
    rowStride: "i32",
    flags: "i32",
  } as const;
  m.func("flagRows", { params, result: "i32" }, (f, { x, batches, heads, rows, width, batchStride, headStride, rowStride, flags }) => {
    const [count, flag, at] = f.locals("i32", 3);
    f.forRange(0, batches, 1, (b) => {
      f.forRange(0, heads, 1, (h) => {
        f.forRange(0, rows, 1, (i) => {
          at.set(i32.add(i32.add(i32.mul(b, batchStride), i32.mul(h, headStride)), i32.mul(i, rowStride)));
          at.set(i32.add(x, i32.shl(at, 2)));
          flag.set(f.call(notFinite, { x: at, row: 0, rows: 1, width }));
          f.store8(flags, flag);
          f.increment(flags, 1);
          f.increment(count, flag);
        });
      });
    });
    f.return(count);
  });
}
