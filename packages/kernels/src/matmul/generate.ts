import { f32x4, i32, ModuleBuilder, v128 } from "../assembler/index.ts";
import type { Build, Expression, FunctionBuilder, FunctionHandle, Local } from "../assembler/index.ts";
import { BLOCKING, TILE_BYTES, TILE_COLUMNS } from "./blocking.ts";
import { defineDots } from "./dots.ts";
import { definePack } from "./pack.ts";
import { defineTile, tileRows } from "./tile.ts";
import type { Tile } from "./tile.ts";
import { defineWide, WIDE_COLUMNS, WIDE_ROWS } from "./wide.ts";

// C is made of tiles, 6 × 8 or 4 × 8, that stay in registers for a whole pass over the sum (tile.ts). Where operands are read often
// or awkwardly they are packed first, in the order in which tiles read them (pack.ts). For a few rows packing would cost more than
// the product: those are dot products when B is transposed (dots.ts), and one or two rows get wider tiles when it is not (wide.ts).
// Shapes and strides alone choose, so equal calls give equal bits.

/** Up to this many rows, A · Bᵀ is computed as dot products: more of them when they are long. */
const [DOT_ROWS, LONG_DOT_ROWS, LONG_DOT] = [8, 32, 256];
/** Up to this many columns, A · Bᵀ is computed as dot products, however many rows there are. */
const DOT_COLUMNS = 4;
/** Up to this many rows, or elements of B, B is read where it lies (when its rows are contiguous). */
const [DIRECT_ROWS, DIRECT_ELEMENTS] = [32, 6144];
/** Up to this many columns, A is read where it lies, unless its rows are scattered and many. */
const [DIRECT_COLUMNS, SCATTERED_ROWS] = [128, 256];

/** The WebAssembly of the matmul family. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const gemm = defineGemm(m);
  defineBatched(m, gemm);
  return m.toBytes();
}

type Int = Local<"i32">;

const GEMM = {
  m: "i32",
  n: "i32",
  k: "i32",
  a: "i32",
  rowStrideA: "i32",
  columnStrideA: "i32",
  b: "i32",
  rowStrideB: "i32",
  columnStrideB: "i32",
  c: "i32",
  rowStrideC: "i32",
  accumulate: "i32",
  scratch: "i32",
} as const;
type Gemm = FunctionHandle<typeof GEMM, undefined>;

function defineGemm(module: ModuleBuilder): Gemm {
  const rows = tileRows(module.build);
  const tiles = Array.from({ length: rows }, (_, index) => defineTile(module, index + 1));
  const packRows = definePack(module, rows);
  const packColumns = definePack(module, TILE_COLUMNS);
  const dots = defineDots(module);
  const wide = defineWide(module);
  const panels = definePanels(module, tiles);

  return module.func("gemm", { params: GEMM }, (f, p) => {
    const { m, n, k, a, b, c, accumulate, scratch } = p;
    f.if(i32.or(i32.leS(m, 0), i32.leS(n, 0)), () => f.return());
    // From here on strides are in bytes.
    for (const stride of [p.rowStrideA, p.columnStrideA, p.rowStrideB, p.columnStrideB, p.rowStrideC]) stride.set(i32.shl(stride, 2));

    f.if(i32.leS(k, 0), () => {
      f.if(i32.eqz(accumulate), () => {
        f.forRange(0, m, 1, (i) => f.memoryFill(i32.add(c, i32.mul(i, p.rowStrideC)), 0, i32.shl(n, 2)));
      });
      f.return();
    });

    const isTransposedProduct = i32.and(i32.eq(p.columnStrideA, 4), i32.eq(p.rowStrideB, 4));
    const longDots = i32.and(i32.leS(m, LONG_DOT_ROWS), i32.geS(k, LONG_DOT));
    const fewDots = i32.or(i32.or(i32.leS(m, DOT_ROWS), i32.leS(n, DOT_COLUMNS)), longDots);
    f.if(i32.and(isTransposedProduct, fewDots), () => {
      f.call(dots, { m, n, k, a, rowA: p.rowStrideA, b, columnB: p.columnStrideB, c, rowC: p.rowStrideC, accumulate });
      f.return();
    });

    // A and B in place: by their own strides. Packed: by those of panels.
    const fewA = i32.or(i32.eq(p.columnStrideA, 4), i32.leS(m, SCATTERED_ROWS));
    const directA = f.let(i32.and(i32.leS(n, DIRECT_COLUMNS), fewA), "directA");
    const fewB = i32.or(
      i32.leS(m, DIRECT_ROWS),
      i32.leS(i32.mul(i32.minS(n, DIRECT_ELEMENTS), i32.minS(k, DIRECT_ELEMENTS)), DIRECT_ELEMENTS),
    );
    const directB = f.let(i32.and(i32.eq(p.columnStrideB, 4), fewB), "directB");

    f.if(i32.and(directB, i32.leS(m, WIDE_ROWS)), () => {
      f.call(wide, {
        m,
        n,
        k,
        a,
        rowA: p.rowStrideA,
        stepA: p.columnStrideA,
        b,
        stepB: p.rowStrideB,
        c,
        rowC: p.rowStrideC,
        load: accumulate,
      });
      // What is left are fewer columns than a wide tile has.
      const done = f.let(i32.mul(i32.and(n, -WIDE_COLUMNS), 4));
      n.set(i32.and(n, WIDE_COLUMNS - 1));
      f.increment(b, done);
      f.increment(c, done);
      f.if(i32.eqz(n), () => f.return());
    });

    const steps = f.let(evenly(f, k, BLOCKING.steps, 1), "steps");
    const rowsOfBlock = f.let(evenly(f, m, BLOCKING.rows, rows), "rowsOfBlock");
    const columnsOfBlock = f.let(evenly(f, n, BLOCKING.columns, TILE_COLUMNS), "columnsOfBlock");
    const packedB = f.let(i32.add(scratch, TILE_BYTES), "packedB");
    const packedA = f.let(i32.add(packedB, i32.mul(i32.shl(steps, 2), columnsOfBlock)), "packedA");

    const [steps1, rows1, columns1] = [f.local("i32"), f.local("i32"), f.local("i32")];
    const [blockA, blockB] = [f.local("i32"), f.local("i32")];
    const [whole, load] = [f.local("i32"), f.local("i32")];
    f.forRange(0, n, columnsOfBlock, (j) => {
      columns1.set(i32.sub(n, j));
      columns1.set(i32.minS(columns1, columnsOfBlock));
      f.forRange(0, k, steps, (s) => {
        steps1.set(i32.sub(k, s));
        steps1.set(i32.minS(steps1, steps));
        load.set(i32.or(accumulate, i32.gtS(s, 0)));
        blockB.set(i32.add(b, i32.add(i32.mul(s, p.rowStrideB), i32.mul(j, p.columnStrideB))));
        // Even in place the last columns are packed, padded with zeros: a tile reads eight.
        whole.set(i32.and(columns1, -TILE_COLUMNS));
        f.call(packColumns, {
          lines: columns1,
          from: i32.mul(whole, directB),
          steps: steps1,
          source: blockB,
          lineStride: p.columnStrideB,
          stepStride: p.rowStrideB,
          packed: packedB,
        });
        f.forRange(0, m, rowsOfBlock, (i) => {
          rows1.set(i32.sub(m, i));
          rows1.set(i32.minS(rows1, rowsOfBlock));
          blockA.set(i32.add(a, i32.add(i32.mul(i, p.rowStrideA), i32.mul(s, p.columnStrideA))));
          f.if(i32.eqz(directA), () => {
            // Whole tiles only: the rows below them are read in place.
            f.call(packRows, {
              lines: i32.mul(i32.divS(rows1, rows), rows),
              from: 0,
              steps: steps1,
              source: blockA,
              lineStride: p.rowStrideA,
              stepStride: p.columnStrideA,
              packed: packedA,
            });
          });
          f.call(panels, {
            rows: rows1,
            columns: columns1,
            steps: steps1,
            a: blockA,
            rowA: p.rowStrideA,
            stepA: p.columnStrideA,
            directA,
            packedA,
            b: blockB,
            stepB: p.rowStrideB,
            directB,
            packedB,
            c: i32.add(c, i32.add(i32.mul(i, p.rowStrideC), i32.shl(j, 2))),
            rowC: p.rowStrideC,
            load,
            spare: scratch,
          });
        });
      });
    });
  });
}

/** The size of equal blocks, at most `largest`, a multiple of `unit`: 257 steps are 129 and 128, not 256 and 1. */
function evenly(f: FunctionBuilder, total: Int, largest: number, unit: number): Expression<"i32"> {
  const blocks = f.let(i32.divU(i32.add(total, largest - 1), largest));
  const size = f.let(i32.divU(i32.sub(i32.add(total, blocks), 1), blocks));
  return unit === 1 ? size : i32.mul(i32.divU(i32.add(size, unit - 1), unit), unit);
}

/** A block of A times a block of B: tile after tile, down the rows first, since a panel of B stays in the first cache. */
function definePanels(m: ModuleBuilder, tiles: readonly Tile[]) {
  const height = tiles.length;
  const spill = defineSpill(m);
  const params = {
    rows: "i32",
    columns: "i32",
    steps: "i32",
    a: "i32",
    rowA: "i32",
    stepA: "i32",
    directA: "i32",
    packedA: "i32",
    b: "i32",
    stepB: "i32",
    directB: "i32",
    packedB: "i32",
    c: "i32",
    rowC: "i32",
    load: "i32",
    spare: "i32",
  } as const;
  return m.internal("panels", { params }, (f, p) => {
    // The rows of whole tiles: where they start, and the bytes between rows, steps and panels.
    const [panelsA, rowOfPanel, stepOfPanel, panelA] = f.locals("i32", 4);
    f.if(
      p.directA,
      () => {
        panelsA.set(p.a);
        rowOfPanel.set(p.rowA);
        stepOfPanel.set(p.stepA);
        panelA.set(i32.mul(p.rowA, height));
      },
      () => {
        panelsA.set(p.packedA);
        rowOfPanel.set(4);
        stepOfPanel.set(4 * height);
        panelA.set(i32.mul(p.steps, 4 * height));
      },
    );
    const wholeRows = f.let(i32.mul(i32.divS(p.rows, height), height), "wholeRows");
    const restOfRows = f.let(i32.sub(p.rows, wholeRows), "restOfRows");
    const [columns, tileA, tileB, tileStepB, tileC] = f.locals("i32", 5);
    f.forRange(0, p.columns, TILE_COLUMNS, (j) => {
      columns.set(i32.sub(p.columns, j));
      const inPlace = i32.and(p.directB, i32.geS(columns, TILE_COLUMNS));
      f.if(
        inPlace,
        () => {
          tileB.set(i32.add(p.b, i32.shl(j, 2)));
          tileStepB.set(p.stepB);
        },
        () => {
          // In place only the last panel was packed, to the front.
          tileB.set(i32.add(p.packedB, i32.mul(i32.mul(i32.shl(j, 2), p.steps), i32.eqz(p.directB))));
          tileStepB.set(4 * TILE_COLUMNS);
        },
      );
      const oneTile = (tile: Tile, a: Int, rowA: Int, stepA: Int): void => {
        f.if(
          i32.geS(columns, TILE_COLUMNS),
          () => f.call(tile, { steps: p.steps, a, rowA, stepA, b: tileB, stepB: tileStepB, c: tileC, rowC: p.rowC, load: p.load }),
          () => {
            f.call(tile, { steps: p.steps, a, rowA, stepA, b: tileB, stepB: tileStepB, c: p.spare, rowC: 4 * TILE_COLUMNS, load: 0 });
            f.call(spill, { tile: p.spare, rows: tiles.indexOf(tile) + 1, columns, c: tileC, rowC: p.rowC, load: p.load });
          },
        );
      };
      tileA.set(panelsA);
      tileC.set(i32.add(p.c, i32.shl(j, 2)));
      f.forRange(0, wholeRows, height, () => {
        oneTile(tiles[height - 1], tileA, rowOfPanel, stepOfPanel);
        f.increment(tileA, panelA);
        f.increment(tileC, i32.mul(p.rowC, height));
      });
      tileA.set(i32.add(p.a, i32.mul(wholeRows, p.rowA)));
      for (let count = 1; count < height; count++) {
        f.if(i32.eq(restOfRows, count), () => oneTile(tiles[count - 1], tileA, p.rowA, p.stepA));
      }
    });
  });
}

/** Moves the wanted columns of a tile, rows of 32 bytes, into C. */
function defineSpill(m: ModuleBuilder) {
  const params = { tile: "i32", rows: "i32", columns: "i32", c: "i32", rowC: "i32", load: "i32" } as const;
  return m.internal("spill", { params }, (f, { tile, rows, columns, c, rowC, load }) => {
    const [from, to] = f.locals("i32", 2);
    const value = f.local("v128");
    f.forRange(0, rows, 1, () => {
      f.forRange(0, columns, 1, (j) => {
        from.set(i32.add(tile, i32.shl(j, 2)));
        to.set(i32.add(c, i32.shl(j, 2)));
        value.set(v128.load32Zero(from));
        f.if(load, () => value.set(f32x4.add(value, v128.load32Zero(to))));
        f.store32Lane(to, value, 0);
      });
      f.increment(tile, 4 * TILE_COLUMNS);
      f.increment(c, rowC);
    });
  });
}

/** Products one after the other; rows that follow one another with one B are a single, taller product. */
function defineBatched(m: ModuleBuilder, gemm: Gemm): void {
  const params = { batch: "i32", batchStrideA: "i32", batchStrideB: "i32", batchStrideC: "i32", ...GEMM } as const;
  m.func("gemmBatched", { params }, (f, p) => {
    const { batch, batchStrideA, batchStrideB, batchStrideC, ...product } = p;
    const follows = i32.and(i32.eq(batchStrideA, i32.mul(p.m, p.rowStrideA)), i32.eq(batchStrideC, i32.mul(p.m, p.rowStrideC)));
    f.if(i32.and(i32.and(i32.eqz(batchStrideB), follows), i32.gtS(batch, 0)), () => {
      p.m.set(i32.mul(p.m, batch));
      batch.set(1);
    });
    for (const stride of [batchStrideA, batchStrideB, batchStrideC]) stride.set(i32.shl(stride, 2));
    f.forRange(0, batch, 1, () => {
      f.call(gemm, product);
      f.increment(p.a, batchStrideA);
      f.increment(p.b, batchStrideB);
      f.increment(p.c, batchStrideC);
    });
  });
}
