import { f32, f32x4, f64, i32, ModuleBuilder, v128, type Build, type Expression } from "@heed/kernels/assembler";
import { definePack, tileColumns, tileRows } from "@heed/kernels/building-blocks";
import { defineDraw, defineDrop, wordsBytes } from "../streaming/dropout.ts";
import { NORMALISERS, SCORE_FORMS } from "../streaming/job.ts";
import { defineMask } from "../streaming/mask.ts";
import { defineProduct } from "../streaming/product.ts";
import { defineCollect, defineSpread } from "../streaming/relative.ts";
import type { ScorePass } from "../streaming/score-pass.ts";
import { defineScores } from "../streaming/scores.ts";
import { packsRows, packStrips, setFactors } from "../streaming/factors.ts";
import { gradientPitch } from "../streaming/plan.ts";
import { cutter, definePlace, flagsOf } from "../streaming/setup.ts";
import { defineCopyRows, defineTouchRows, defineTouchSample } from "../streaming/tile.ts";
import { addCounters, jobOf, OF_WORK, WORK, WORK_BYTES, workOf, type Int } from "../streaming/work.ts";
import {
  defineBiasGradients,
  defineHeldGradient,
  defineRelativeGradients,
  defineOtherGradient,
  defineSinkGradient,
  defineScaleGradient,
  defineScalesGradient,
  defineSoftcapGradient,
  defineSoftmaxGradient,
} from "./passes.ts";
import { definePairGradients, defineUnpack } from "./pairs.ts";

// One pass over the pairs: tile after tile of keys, and for each the blocks of queries of every head that shares them. The strips of a block are made
// again as forward made them (scores.ts), beside each the gradient of its weights, dP = dO · Vᵀ; passes turn these into weights P and the gradient of
// scores dS (passes.ts). dQ += dS · K is added strip by strip. When the block's strips are done, dV += Pᵀ · dO and dK += dSᵀ · Q for six keys at a time:
// their rows are six neighbouring columns of P and dS, so nothing is transposed. dK and dV of the tile stay in the second cache.

/**
 * The WebAssembly of streaming attention, backward.
 * @param pass a scoreMod that it holds
 */
export function wasm(build: Build, pass?: ScorePass): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const product = defineProduct(m, gradientPitch());
  const mask = defineMask(m);
  const [spread, collect] = [defineSpread(m), defineCollect(m)];
  const [draw, drop] = [defineDraw(m), defineDrop(m)];
  const { scores, findFactor } = defineScores(m, product, mask, spread, draw, pass, true);
  const [panel, stripRows] = [tileColumns(build), tileRows(build)];
  const pack = definePack(m, panel, { contiguous: true });
  const packRows = definePack(m, stripRows, { contiguous: true });
  const copyRows = defineCopyRows(m);
  const place = definePlace(m);
  const softmaxGradient = defineSoftmaxGradient(m);
  const otherGradient = defineOtherGradient(m);
  const held = defineHeldGradient(m);
  const sinkGradient = defineSinkGradient(m);
  const biasGradients = defineBiasGradients(m);
  const relativeGradients = defineRelativeGradients(m, collect);
  const softcapGradient = defineSoftcapGradient(m);
  const scalesGradient = defineScalesGradient(m);
  const scaleGradient = defineScaleGradient(m);
  const scoreModGradient = pass?.defineGradient?.(m);
  const deltas = defineDeltas(m);
  const pairGradients = definePairGradients(m);
  const unpack = defineUnpack(m);
  const inputs = ["query", "key", "value", "output", "outputGradient"] as const;
  const touchSample = defineTouchSample(m, defineTouchRows(m), [...inputs, "queryGradient", "keyGradient", "valueGradient"]);

  /** Packs keys and values of the tile; copies the keys if their rows are no whole panels. Once per tile. */
  const prepareTile = m.internal("prepareTile", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    f.if(w.int("isPacked"), () => f.return());
    w.set("isPacked", 1);
    const [b, head] = [w.local("b"), w.local("headOfKey")];
    const columns = f.let(i32.sub(w.int("tileEnd"), w.int("tile")));
    const row = f.let(i32.add(w.int("firstKey"), w.int("tile")));
    const keys = f.let(job.address("key", [b, "keyBatch"], [head, "keyHead"], [row, "keyRow"]));
    const values = f.let(job.address("value", [b, "valueBatch"], [head, "valueHead"], [row, "valueRow"]));
    const keyRow = f.let(i32.shl(job.int("keyRow"), 2));
    const valueRow = f.let(i32.shl(job.int("valueRow"), 2));
    const [bytes, toRow] = [f.let(i32.shl(job.int("D"), 2)), f.local("i32")];
    toRow.set(i32.and(i32.add(bytes, 4 * panel - 1), -4 * panel));
    f.if(i32.or(i32.ne(bytes, toRow), i32.ne(job.int("badKey"), 0)), () => {
      const [to, flags] = [w.int("keyRoom"), flagsOf(w, job, "Key", row)];
      f.call(copyRows, { source: keys, sourceRow: keyRow, rows: columns, bytes, to, toRow, padding: i32.sub(toRow, bytes), flags });
      keys.set(w.int("keyRoom"));
      keyRow.set(toRow);
    });
    w.set("keys", keys);
    w.set("keyRow", keyRow);
    f.if(job.int("badValue"), () => {
      bytes.set(i32.shl(job.int("E"), 2));
      const [to, flags] = [w.int("valueRoom"), flagsOf(w, job, "Value", row)];
      f.call(copyRows, { source: values, sourceRow: valueRow, rows: columns, bytes, to, toRow: bytes, padding: 0, flags });
      values.set(w.int("valueRoom"));
      valueRow.set(bytes);
    });
    const packed = { lines: columns, from: 0, stepStride: 4 };
    f.call(pack, { ...packed, steps: job.int("D"), source: keys, lineStride: keyRow, packed: w.int("keyPanels") });
    f.call(pack, { ...packed, steps: job.int("E"), source: values, lineStride: valueRow, packed: w.int("valuePanels") });
  });

  /** A run of the strip: its weights and the gradient of its scores, in place of scores and of the gradient of weights. */
  const runStrip = m.internal("runStrip", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const E = job.local("E");
    f.call(scores, { work });
    w.count("cells", i32.mul(w.int("rows"), w.int("width")));
    f.call(product, {
      rows: w.int("rows"),
      panels: i32.divU(w.int("width"), panel),
      steps: E,
      a: w.int("cotangentFactors"),
      rowA: w.int("cotangentFactorsRow"),
      stepA: w.int("cotangentFactorsStep"),
      b: i32.add(w.int("valuePanels"), i32.mul(i32.shl(i32.sub(w.int("column"), w.int("tile")), 2), E)),
      stepB: 4 * panel,
      panelB: i32.mul(E, 4 * panel),
      c: w.int("gradientStrip"),
      rowC: w.int("stripRow"),
      load: 0,
    });
    const valueTable = {
      work,
      x: w.int("cotangent"),
      xRow: w.int("cotangentRow"),
      table: job.address("valueTable", [w.int("h"), "valueTableHead"]),
      width: E,
      most: job.int("valueTableDistance"),
    };
    f.if(job.int("valueTable"), () => f.call(spread, { ...valueTable, strip: w.int("gradientStrip") }));
    const dropout = job.local("dropout");
    f.if(dropout, () => {
      f.call(draw, { work, k0: job.int("dropoutKey0"), k1: job.int("dropoutKey1") });
      f.call(drop, { work, strip: w.int("gradientStrip") });
    });
    const options = i32.or(i32.or(job.int("biasCount"), w.int("cappedStrip")), w.int("rawStrip"));
    const between = f.let(pass === undefined ? options : i32.const(1));
    f.if(
      between,
      () => w.setReal("gradientFactor", f32.const(1)),
      () => w.setReal("gradientFactor", w.real("scale")),
    );
    f.if(w.int("sumsDeltas"), () => {
      f.call(held.sums, { work });
      f.return();
    });
    f.if(
      i32.eqz(job.int("normaliser")),
      () => f.call(softmaxGradient, { work }),
      () =>
        f.if(
          i32.ltS(job.int("normaliser"), NORMALISERS.topK),
          () => f.call(otherGradient, { work }),
          () => f.call(held.gradient, { work }),
        ),
    );
    f.if(dropout, () => f.call(drop, { work, strip: w.int("strip") }));
    f.if(job.int("valueTableGradient"), () =>
      f.call(collect, {
        work,
        strip: w.int("strip"),
        x: w.int("cotangent"),
        xRow: w.int("cotangentRow"),
        table: 0,
        width: E,
        most: job.int("valueTableDistance"),
        out: 0,
        outRow: 0,
        gradient: job.address("valueTableGradient", [w.int("chunk"), "valueTableGradientChunk"], [w.int("h"), "valueTableHead"]),
      }),
    );
    f.if(between, () => {
      if (scoreModGradient !== undefined) f.call(scoreModGradient, { work });
      f.call(biasGradients, { work });
      f.if(w.int("cappedStrip"), () => f.call(softcapGradient, { work }));
      f.if(w.int("rawStrip"), () => f.call(scalesGradient, { work }));
      f.call(scaleGradient, { work });
      f.call(relativeGradients, { work });
    });
  });

  /** `to += from`, rows of `width` numbers. */
  const ADD = { rows: "i32", width: "i32", from: "i32", fromRow: "i32", to: "i32", toRow: "i32" } as const;
  const addRows = m.internal("addRows", { params: ADD }, (f, { rows, width, from, fromRow, to, toRow }) => {
    const [at, out] = f.locals("i32", 2);
    f.forRange(0, rows, 1, () => {
      at.set(from);
      out.set(to);
      f.vectorLoop(
        width,
        () => {
          f.store(out, f32x4.add(v128.load(out), v128.load(at)));
          f.increment(at, 16);
          f.increment(out, 16);
        },
        () => {
          f.store32Lane(out, f32x4.add(v128.load32Zero(out), v128.load32Zero(at)), 0);
          f.increment(at, 4);
          f.increment(out, 4);
        },
      );
      f.increment(from, fromRow);
      f.increment(to, toRow);
    });
  });

  /** The gradients of one sample and key/value head. */
  const runHead = m.internal("head", { params: { work: "i32", b: "i32", head: "i32", space: "i32" } }, (f, { work, b, head, space }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const [D, E] = [job.local("D"), job.local("E")];
    const padded = (width: Int) => f.let(i32.shl(i32.and(i32.add(width, panel - 1), -panel), 2));
    const [widthD, widthE] = [padded(D), padded(E)];
    const [columnsOfTile, blockRows] = [job.local("gradientColumns"), job.local("gradientRows")];
    const stripRow = f.let(i32.const(gradientPitch()));
    const group = f.let(i32.divU(job.int("H"), job.int("Hkv")), "group");
    const firstHead = f.let(i32.mul(head, group), "firstHead");

    const cut = cutter(f, space);
    const pair = cut(i32.const(16));
    w.set("keyPanels", cut(i32.mul(columnsOfTile, i32.shl(D, 2))));
    w.set("valuePanels", cut(i32.mul(columnsOfTile, i32.shl(E, 2))));
    w.set("keyRoom", cut(i32.mul(columnsOfTile, widthD)));
    w.set("valueRoom", cut(i32.mul(columnsOfTile, i32.shl(E, 2))));
    const ofKeys = cut(i32.mul(columnsOfTile, widthD));
    const ofValues = cut(i32.mul(columnsOfTile, widthE));
    const weights = cut(i32.mul(blockRows, stripRow));
    const gradients = cut(i32.mul(blockRows, stripRow));
    const queryRoom = cut(i32.mul(blockRows, widthD));
    const cotangentRoom = cut(i32.mul(blockRows, widthE));
    const isPairwise = f.let(i32.ne(job.int("scoreForm"), SCORE_FORMS.dot));
    const panelsOf = (width: Int, wanted: Expression<"i32"> = i32.const(1)) => {
      const panels = f.local("i32");
      f.if(i32.and(wanted, packsRows(job.int("S"), width)), () => panels.set(cut(i32.shl(i32.mul(blockRows, width), 2))));
      return panels;
    };
    const [queryPanels, cotangentPanels] = [panelsOf(D, i32.eqz(isPairwise)), panelsOf(E)];
    const sumRoom = cut(i32.mul(widthD, stripRows));
    const pairRoom = cut(i32.shl(D, 5));
    const spans = cut(i32.shl(blockRows, 3));
    const keepIf = (wanted: ReturnType<typeof i32.ne>) => i32.mul(cut(i32.mul(stripRow, stripRows)), wanted);
    w.set("cappedStrip", keepIf(f32.ne(job.real("softcap"), 0)));
    w.set("rawStrip", keepIf(i32.ne(job.int("scalesGradient"), 0)));
    if (pass?.keepsScores === true) w.set("scoreStrip", keepIf(i32.const(1)));
    w.set("stripRow", stripRow);
    w.set("wordRow", stripRow);
    w.set("tableRoom", cut(stripRow));
    w.set("words", cut(wordsBytes(stripRow, stripRows)));
    const allDeltas = cut(i32.const(0));

    /** Address of a row of an array, rows counted within the sequence. */
    const rowOf = (name: "query" | "outputGradient" | "queryGradient", row: Int) =>
      f.let(job.address(name, [b, `${name}Batch`], [w.int("h"), `${name}Head`], [i32.add(w.int("firstQuery"), row), `${name}Row`]));
    const ofHead = (h: Int) => {
      f.call(place, { work, b, h });
      f.call(findFactor, { work });
      w.set("deltas", i32.add(allDeltas, i32.shl(i32.mul(i32.sub(h, firstHead), job.int("L")), 2)));
    };
    const [zero, again] = f.locals("i32", 2);
    const zeros = f.local("v128");
    const lends = f.let(i32.gtS(job.int("normaliser"), NORMALISERS.topK));
    f.if(i32.eqz(head), () => {
      f.call(place, { work, b, h: firstHead });
      f.call(touchSample, { work, to: pair });
    });
    f.forRange(firstHead, i32.add(firstHead, group), 1, (h) => {
      ofHead(h);
      f.if(
        lends,
        () => f.memoryFill(w.int("deltas"), 0, i32.shl(w.int("L"), 2)),
        () => f.call(deltas, { work }),
      );
      f.if(job.int("sinkGradient"), () => f.call(sinkGradient, { work }));
      f.if(job.int("queryGradient"), () => {
        const to = rowOf("queryGradient", zero);
        f.forRange(0, w.int("L"), 1, () => {
          f.vectorLoop(
            D,
            (d) => f.store(i32.add(to, i32.shl(d, 2)), zeros),
            (d) => f.store32Lane(i32.add(to, i32.shl(d, 2)), zeros, 0),
          );
          f.increment(to, i32.shl(job.int("queryGradientRow"), 2));
        });
      });
    });

    const [tileEnd, rows, rest, end, queries, queryRow, cotangents, cotangentRow] = f.locals("i32", 8);
    const [strip, span, next, low, high, offset, from, steps] = f.locals("i32", 8);
    // Where δ is no product with the output, all is gone through twice: first for δ alone.
    w.set("sumsDeltas", lends);
    f.doWhile(again, () => {
      again.set(w.int("sumsDeltas"));
      f.forRange(0, w.int("S"), columnsOfTile, (tile) => {
        tileEnd.set(i32.add(tile, columnsOfTile));
        rest.set(w.int("S"));
        tileEnd.set(i32.minS(tileEnd, rest));
        w.set("tile", tile);
        w.set("tileEnd", tileEnd);
        w.set("isPacked", 0);
        f.memoryFill(ofKeys, 0, i32.mul(columnsOfTile, widthD));
        f.memoryFill(ofValues, 0, i32.mul(columnsOfTile, widthE));
        f.forRange(firstHead, i32.add(firstHead, group), 1, (h) => {
          ofHead(h);
          f.forRange(0, w.int("L"), blockRows, (first) => {
            rows.set(i32.sub(w.int("L"), first));
            rows.set(i32.minS(rows, blockRows));
            f.call(mask.hull, { work, row: first, rows, from: tile, to: tileEnd, pair });
            f.block((seesNothing) => {
              f.branchIf(seesNothing, i32.geS(i32.load(pair), i32.load(pair, 4)));
              f.call(prepareTile, { work });

              // Rows of queries and cotangents, in place where they are whole panels.
              const block = (name: "query" | "outputGradient", width: Int, at: Int, row: Int, room: Int, padded: Int): void => {
                at.set(rowOf(name, first));
                row.set(i32.shl(job.int(`${name}Row`), 2));
                const bytes = f.let(i32.shl(width, 2));
                const flags = name === "query" ? f.let(flagsOf(w, job, "Query", i32.add(w.int("firstQuery"), first))) : f.let(i32.const(0));
                f.if(i32.or(i32.ne(bytes, padded), flags), () => {
                  f.call(copyRows, {
                    source: at,
                    sourceRow: row,
                    rows,
                    bytes,
                    to: room,
                    toRow: padded,
                    padding: i32.sub(padded, bytes),
                    flags,
                  });
                  at.set(room);
                  row.set(padded);
                });
              };
              block("query", D, queries, queryRow, queryRoom, widthD);
              block("outputGradient", E, cotangents, cotangentRow, cotangentRoom, widthE);
              w.set("queryRow", queryRow);
              w.set("cotangentRow", cotangentRow);
              const packBlock = (panels: Int, source: Int, sourceRow: Int, width: Int): void =>
                f.if(panels, () => packStrips(f, packRows, { panels, rows, width, source, sourceRow, stripRows }));
              packBlock(queryPanels, queries, queryRow, D);
              packBlock(cotangentPanels, cotangents, cotangentRow, E);

              end.set(i32.add(first, rows));
              span.set(spans);
              f.forRange(first, end, stripRows, (row) => {
                rest.set(i32.sub(end, row));
                w.set("row", row);
                w.set("rows", i32.minS(rest, stripRows));
                offset.set(i32.sub(row, first));
                w.set("query", i32.add(queries, i32.mul(offset, queryRow)));
                w.set("cotangent", i32.add(cotangents, i32.mul(offset, cotangentRow)));
                setFactors(f, w, "query", { panels: queryPanels, row: offset, width: D, stripRows });
                setFactors(f, w, "cotangent", { panels: cotangentPanels, row: offset, width: E, stripRows });
                offset.set(i32.mul(offset, stripRow));
                strip.set(i32.add(weights, offset));
                low.set(tileEnd);
                high.set(tile);
                next.set(f.call(mask.nextRun, { work, from: tile, strip }));
                const isWhole = i32.and(i32.ne(next, 0), i32.eq(w.int("columns"), i32.sub(tileEnd, tile)));
                f.if(i32.eqz(isWhole), () => {
                  f.memoryFill(strip, 0, i32.mul(w.int("rows"), stripRow));
                  f.memoryFill(i32.add(gradients, offset), 0, i32.mul(w.int("rows"), stripRow));
                });
                f.if(next, () =>
                  f.doWhile(next, () => {
                    const column = w.local("column");
                    low.set(i32.minS(low, column));
                    high.set(i32.add(column, w.int("columns")));
                    w.set("gradientStrip", i32.add(w.int("strip"), i32.sub(gradients, weights)));
                    f.call(runStrip, { work });
                    f.if(i32.and(isPairwise, i32.eqz(again)), () => f.call(pairGradients, { work, ofKeys, sums: pairRoom }));
                    f.if(i32.and(i32.eqz(i32.or(isPairwise, again)), i32.ne(job.int("queryGradient"), 0)), () => {
                      const sum = (c: Int, rowC: Int, load: number) =>
                        f.call(product, {
                          rows: w.int("rows"),
                          panels: i32.divU(widthD, 4 * panel),
                          steps: w.int("columns"),
                          a: w.int("gradientStrip"),
                          rowA: stripRow,
                          stepA: 4,
                          b: i32.add(w.int("keys"), i32.mul(i32.sub(column, tile), w.int("keyRow"))),
                          stepB: w.int("keyRow"),
                          panelB: 4 * panel,
                          c,
                          rowC,
                          load,
                        });
                      const to = rowOf("queryGradient", row);
                      const toRow = f.let(i32.shl(job.int("queryGradientRow"), 2));
                      f.if(
                        i32.eq(widthD, i32.shl(D, 2)),
                        () => sum(to, toRow, 1),
                        () => {
                          sum(sumRoom, widthD, 0);
                          f.call(addRows, { rows: w.int("rows"), width: D, from: sumRoom, fromRow: widthD, to, toRow });
                        },
                      );
                    });
                    next.set(f.call(mask.nextRun, { work, from: next, strip }));
                  }),
                );
                f.store(span, low);
                f.store(span, high, 4);
                f.increment(span, 8);
              });

              f.branchIf(seesNothing, again);
              f.forRange(tile, tileEnd, stripRows, (key) => {
                rest.set(i32.sub(tileEnd, key));
                rest.set(i32.minS(rest, stripRows));
                // The strips that see one of these keys, from the first to the last.
                low.set(0x7fffffff);
                high.set(0);
                span.set(spans);
                f.forRange(0, rows, stripRows, (row) => {
                  f.if(i32.and(i32.ltS(i32.load(span), i32.add(key, rest)), i32.gtS(i32.load(span, 4), key)), () => {
                    low.set(i32.minS(low, row));
                    high.set(i32.add(row, stripRows));
                  });
                  f.increment(span, 8);
                });
                high.set(i32.minS(high, rows));
                steps.set(i32.sub(high, low));
                f.if(i32.gtS(high, low), () => {
                  w.count("pairs", i32.mul(rest, steps));
                  offset.set(i32.sub(key, tile));
                  from.set(i32.add(i32.mul(low, stripRow), i32.shl(offset, 2)));
                  const sum = (wanted: "keyGradient" | "valueGradient", a: Int, b: Int, stepB: Int, c: Int, rowC: Int) =>
                    f.if(job.int(wanted), () =>
                      f.call(product, {
                        rows: rest,
                        panels: i32.divU(rowC, 4 * panel),
                        steps,
                        a: i32.add(a, from),
                        rowA: 4,
                        stepA: stripRow,
                        b: i32.add(b, i32.mul(low, stepB)),
                        stepB,
                        panelB: 4 * panel,
                        c: i32.add(c, i32.mul(offset, rowC)),
                        rowC,
                        load: 1,
                      }),
                    );
                  sum("valueGradient", weights, cotangents, cotangentRow, ofValues, widthE);
                  f.if(i32.eqz(isPairwise), () => sum("keyGradient", gradients, queries, queryRow, ofKeys, widthD));
                });
              });
            });
          });
        });
        const write = (name: "keyGradient" | "valueGradient", source: Int, sourceRow: Int, width: Int) =>
          f.if(i32.and(i32.ne(job.int(name), 0), i32.eqz(again)), () => {
            const at = i32.add(w.int("firstKey"), tile);
            const to = job.address(name, [b, `${name}Batch`], [head, `${name}Head`], [at, `${name}Row`]);
            const toRow = i32.shl(job.int(`${name}Row`), 2);
            f.call(copyRows, {
              source,
              sourceRow,
              rows: i32.sub(tileEnd, tile),
              bytes: i32.shl(width, 2),
              to,
              toRow,
              padding: 0,
              flags: 0,
            });
          });
        f.if(
          isPairwise,
          () =>
            f.if(i32.and(i32.ne(job.int("keyGradient"), 0), i32.eqz(again)), () => {
              const row = i32.add(w.int("firstKey"), tile);
              const to = job.address("keyGradient", [b, "keyGradientBatch"], [head, "keyGradientHead"], [row, "keyGradientRow"]);
              const toRow = i32.shl(job.int("keyGradientRow"), 2);
              f.call(unpack, { panels: ofKeys, rows: i32.sub(tileEnd, tile), width: D, to, toRow });
            }),
          () => write("keyGradient", ofKeys, widthD, D),
        );
        write("valueGradient", ofValues, widthE, E);
      });
      w.set("sumsDeltas", 0);
    });
  });

  m.func("backward", { params: { job: "i32", from: "i32", to: "i32", scratch: "i32" } }, (f, { job, from, to, scratch }) => {
    const w = workOf(f, scratch);
    const given = jobOf(f, job);
    w.set("job", job);
    const [batches, heads] = [given.local("chunkBatches"), given.local("chunkHeads")];
    const [B, Hkv] = [given.local("B"), given.local("Hkv")];
    const across = f.let(i32.divU(i32.sub(i32.add(Hkv, heads), 1), heads));
    const [firstBatch, lastBatch, firstHead, lastHead] = f.locals("i32", 4);
    f.forRange(from, to, 1, (chunk) => {
      w.set("chunk", chunk);
      f.store(scratch, f64.const(0), WORK.at.cells);
      f.store(scratch, f64.const(0), WORK.at.pairs);
      firstBatch.set(i32.mul(i32.divU(chunk, across), batches));
      firstHead.set(i32.mul(i32.remU(chunk, across), heads));
      lastBatch.set(i32.add(firstBatch, batches));
      lastBatch.set(i32.minS(lastBatch, B));
      lastHead.set(i32.add(firstHead, heads));
      lastHead.set(i32.minS(lastHead, Hkv));
      f.forRange(firstBatch, lastBatch, 1, (b) => {
        f.forRange(firstHead, lastHead, 1, (head) => {
          f.call(runHead, { work: scratch, b, head, space: i32.add(scratch, WORK_BYTES) });
        });
      });
      const counters = i32.add(given.int("counters"), i32.shl(chunk, 4));
      f.if(given.int("counters"), () => addCounters(f, counters, scratch, ["cells", "pairs"]));
    });
  });
  return m.toBytes();
}

/** δ = dO · O for each row of a head, summed in the order in which dO · Vᵀ is: then they cancel where they should. */
function defineDeltas(m: ModuleBuilder) {
  const ROWS = 4;
  return m.internal("deltas", { params: OF_WORK }, (f, { work }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const [L, E, out, row] = [w.local("L"), job.local("E"), w.local("deltas"), f.local("i32")];
    const [outputs, cotangents] = [f.locals("i32", ROWS), f.locals("i32", ROWS)];
    const sums = f.locals("v128", ROWS);
    const zero = f.local("v128");
    const last = f.let(i32.sub(L, 1));
    f.forRange(0, L, ROWS, (i) => {
      for (let index = 0; index < ROWS; index++) {
        // Beyond the last row it is the last again.
        row.set(i32.add(i, index));
        row.set(i32.minS(row, last));
        row.set(i32.add(row, w.int("firstQuery")));
        const addressOf = (name: "output" | "outputGradient") =>
          job.address(name, [w.int("b"), `${name}Batch`], [w.int("h"), `${name}Head`], [row, `${name}Row`]);
        outputs[index].set(addressOf("output"));
        cotangents[index].set(addressOf("outputGradient"));
        sums[index].set(zero);
      }
      f.forRange(0, E, 1, () => {
        for (const [index, sum] of sums.entries()) {
          sum.set(f.madd(v128.load32Zero(cotangents[index]), v128.load32Zero(outputs[index]), sum));
          f.increment(cotangents[index], 4);
          f.increment(outputs[index], 4);
        }
      });
      for (const [index, sum] of sums.entries()) {
        f.if(i32.ltS(i32.add(i, index), L), () => f.store32Lane(i32.add(out, i32.shl(i32.add(i, index), 2)), sum, 0));
      }
    });
  });
}
