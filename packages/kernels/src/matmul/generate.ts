import { i32, ModuleBuilder, select, v128 } from "../assembler/index.ts";
import type { Build, Expression, FunctionBuilder, FunctionHandle, I32, Local } from "../assembler/index.ts";
import { defineActivate } from "./activate.ts";
import { BLOCKING, DIRECT, FLAT_ROWS, TILE_BYTES, tileColumns, WIDEST_TILE } from "./blocking.ts";
import { defineDots } from "./dots.ts";
import { defineFlat, flatColumns } from "./flat.ts";
import { definePack, type Pack } from "./pack.ts";
import { defineTile, tileRows } from "./tile.ts";
import type { Tile } from "./tile.ts";

// C is made of tiles, 6 × 8 or 4 × 8, that stay in registers for a whole pass over the sum (tile.ts). Where operands are read often
// or awkwardly they are packed first, in the order in which tiles read them (pack.ts). For a few rows packing would cost more than
// the product: those are dot products when B is transposed (dots.ts), and one or two rows get flatter tiles when it is not (flat.ts).
// Shapes and strides alone choose, so equal calls give equal bits.

/** Up to this many rows, A · Bᵀ is computed as dot products: more of them when they are long. */
const [DOT_ROWS, LONG_DOT_ROWS, LONG_DOT] = [8, 32, 256];
/** Up to this many columns, A · Bᵀ is computed as dot products, however many rows there are. */
const DOT_COLUMNS = 4;
/** Up to this many columns, A is read where it lies, unless its rows are scattered and many. */
const [DIRECT_COLUMNS, SCATTERED_ROWS] = [48, 256];

/**
 * The same in panels of columns where rows of A lie along the steps and multiply-adds are fused: packing A takes longer than it saves. Measured with 16
 * panels: 2 to 4 % less time, 3 to 9 % in the wide build; with 32 and more nothing.
 */
const ALONG_PANELS = 16;

/** A block of B of up to this many elements (128 KiB) leaves room in the second cache for the rest. */
const SMALL_B = 32_768;

/** The WebAssembly of the matmul family. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const packColumns = definePack(m, tileColumns(build));
  const product = defineProduct(m, packColumns);
  const gemm = defineGemm(m, product);
  defineBatched(m, gemm);
  defineLinear(m, product);
  definePackMatrix(m, packColumns);
  return m.toBytes();
}

type Int = Local<"i32">;

const OPERANDS = {
  m: "i32",
  n: "i32",
  k: "i32",
  a: "i32",
  rowStrideA: "i32",
  columnStrideA: "i32",
  b: "i32",
  rowStrideB: "i32",
  columnStrideB: "i32",
} as const;

const PRODUCT = {
  ...OPERANDS,
  c: "i32",
  rowStrideC: "i32",
  start: "i32",
  rowStrideStart: "i32",
  activation: "i32",
  out: "i32",
  scratch: "i32",
  packed: "i32",
  firstColumn: "i32",
  packedColumns: "i32",
} as const;
/**
 * `c = start + a · b`, then `out = f(c)` unless `activation` is 0. Strides are in elements. `start` is 0 for none; it may be `c`,
 * and its row stride may be 0; `out` has the row stride of `c` and may be `c`. `packed` is 0, or where `packColumns` put a matrix whose
 * columns from `firstColumn` on are those of `b`.
 */
type Product = FunctionHandle<typeof PRODUCT, undefined>;

function defineProduct(module: ModuleBuilder, packColumns: Pack): Product {
  const rows = tileRows(module.build);
  const width = tileColumns(module.build);
  const tiles = Array.from({ length: rows }, (_, index) => defineTile(module, index + 1));
  const packRows = definePack(module, rows);
  const dots = defineDots(module);
  const flat = defineFlat(module);
  const readsAlong = module.build !== "simd";
  const panels = definePanels(module, {
    tiles,
    close: defineTile(module, rows, width, { pitch: 4 }),
    ...(readsAlong && { along: defineTile(module, rows, width, { along: true }) }),
  });
  const activate = defineActivate(module);

  return module.internal("product", { params: PRODUCT }, (f, p) => {
    const { m, n, k, a, b, c, start, activation, out, scratch, packed, firstColumn } = p;
    f.if(i32.or(i32.leS(m, 0), i32.leS(n, 0)), () => f.return());
    // From here on strides are in bytes.
    for (const stride of [p.rowStrideA, p.columnStrideA, p.rowStrideB, p.columnStrideB, p.rowStrideC, p.rowStrideStart]) {
      stride.set(i32.shl(stride, 2));
    }
    const finish = (rowsDone: Int, columnsDone: Int, offset: I32): void => {
      f.if(activation, () => {
        f.call(activate, {
          activation,
          m: rowsDone,
          n: columnsDone,
          source: i32.add(c, offset),
          out: i32.add(out, offset),
          rowStride: p.rowStrideC,
        });
      });
    };

    f.if(i32.leS(k, 0), () => {
      const bytes = f.let(i32.shl(n, 2));
      const [row, from] = [f.let(c), f.let(start)];
      f.forRange(0, m, 1, () => {
        f.if(
          start,
          () => f.memoryCopy(row, from, bytes),
          () => f.memoryFill(row, 0, bytes),
        );
        f.increment(row, p.rowStrideC);
        f.increment(from, p.rowStrideStart);
      });
      finish(m, n, 0);
      f.return();
    });

    const isTransposedProduct = i32.and(i32.eq(p.columnStrideA, 4), i32.eq(p.rowStrideB, 4));
    const longDots = i32.and(i32.leS(m, LONG_DOT_ROWS), i32.geS(k, LONG_DOT));
    const fewDots = i32.or(i32.or(i32.leS(m, DOT_ROWS), i32.leS(n, DOT_COLUMNS)), longDots);
    f.if(i32.and(isTransposedProduct, fewDots), () => {
      const rowsOf = { rowA: p.rowStrideA, columnB: p.columnStrideB, rowC: p.rowStrideC, rowStart: p.rowStrideStart };
      f.call(dots, { m, n, k, a, b, c, start, ...rowsOf });
      finish(m, n, 0);
      f.return();
    });

    // A and B in place: by their own strides. Packed: by those of panels.
    const columnsAlong = i32.const(readsAlong ? ALONG_PANELS * width : DIRECT_COLUMNS);
    const columnsElse = i32.mul(i32.leS(m, SCATTERED_ROWS), DIRECT_COLUMNS);
    const directA = f.let(i32.leS(n, select(i32.eq(p.columnStrideA, 4), columnsAlong, columnsElse)), "directA");
    const fewB = i32.or(
      i32.leS(m, DIRECT.rows),
      i32.leS(i32.mul(i32.minS(n, DIRECT.elements), i32.minS(k, DIRECT.elements)), DIRECT.elements),
    );
    const directB = f.let(i32.and(i32.eqz(packed), i32.and(i32.eq(p.columnStrideB, 4), fewB)), "directB");

    f.if(i32.and(directB, i32.leS(m, FLAT_ROWS)), () => {
      const rowsOf = { rowA: p.rowStrideA, rowC: p.rowStrideC, rowStart: p.rowStrideStart };
      f.call(flat, { m, n, k, a, stepA: p.columnStrideA, b, stepB: p.rowStrideB, c, start, ...rowsOf });
      // What is left are fewer columns than a flat tile has.
      const columns = f.let(i32.and(n, -flatColumns(module.build)));
      finish(m, columns, 0);
      const done = f.let(i32.shl(columns, 2));
      n.set(i32.sub(n, columns));
      for (const pointer of [b, c, out]) f.increment(pointer, done);
      f.if(start, () => f.increment(start, done));
      f.if(i32.eqz(n), () => f.return());
    });

    const steps = f.let(evenly(f, k, BLOCKING.steps, 1), "steps");
    const columnsOfBlock = f.let(evenly(f, n, BLOCKING.columns, width), "columnsOfBlock");
    const rowsOfBlock = f.let(evenly(f, m, BLOCKING.rows, rows), "rowsOfBlock");
    // A small B stays in the caches: then tile after tile along the rows, so that C is written line after line.
    f.if(i32.leS(i32.mul(steps, columnsOfBlock), SMALL_B), () => rowsOfBlock.set(2 * rows));
    const packedB = f.let(i32.add(scratch, TILE_BYTES), "packedB");
    const packedA = f.let(i32.add(packedB, i32.mul(i32.shl(steps, 2), columnsOfBlock)), "packedA");

    const [steps1, rows1, columns1] = f.locals("i32", 3);
    const [blockA, blockB, offsetC] = f.locals("i32", 3);
    const whole = f.local("i32");
    const [from, rowFrom] = [f.local("i32", "from"), f.local("i32", "rowFrom")];
    f.forRange(0, n, columnsOfBlock, (j) => {
      columns1.set(i32.sub(n, j));
      columns1.set(i32.minS(columns1, columnsOfBlock));
      f.forRange(0, k, steps, (s) => {
        steps1.set(i32.sub(k, s));
        steps1.set(i32.minS(steps1, steps));
        blockB.set(i32.add(b, i32.add(i32.mul(s, p.rowStrideB), i32.mul(j, p.columnStrideB))));
        f.if(
          packed,
          () => {
            const panels = f.let(i32.add(i32.mul(s, p.packedColumns), i32.mul(i32.add(firstColumn, j), steps1)));
            packedB.set(i32.add(packed, i32.shl(panels, 2)));
          },
          () => {
            // Even in place the last columns are packed, filled up to a whole panel: a tile reads all of its width.
            whole.set(i32.and(columns1, -width));
            f.call(packColumns, {
              lines: columns1,
              from: i32.mul(whole, directB),
              steps: steps1,
              source: blockB,
              lineStride: p.columnStrideB,
              stepStride: p.rowStrideB,
              packed: packedB,
            });
          },
        );
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
          offsetC.set(i32.add(i32.mul(i, p.rowStrideC), i32.shl(j, 2)));
          // The first pass starts from `start`, later ones from what the ones before them left.
          f.if(
            s,
            () => {
              from.set(i32.add(c, offsetC));
              rowFrom.set(p.rowStrideC);
            },
            () => {
              f.if(
                start,
                () => from.set(i32.add(start, i32.add(i32.mul(i, p.rowStrideStart), i32.shl(j, 2)))),
                () => from.set(0),
              );
              rowFrom.set(p.rowStrideStart);
            },
          );
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
            c: i32.add(c, offsetC),
            rowC: p.rowStrideC,
            start: from,
            rowStart: rowFrom,
            spare: scratch,
          });
          // In the last pass the block is finished, and still in the cache.
          f.if(i32.geS(i32.add(s, steps1), k), () => finish(rows1, columns1, offsetC));
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

interface TileSet {
  /** By rows, from 1 on. */
  readonly tiles: readonly Tile[];
  /** For whole tiles whose rows are neighbours in memory, packed or of a transposed A. */
  readonly close: Tile;
  /** For whole tiles whose rows are read where they lie, along the steps. */
  readonly along?: Tile;
}

/** A block of A times a block of B: tile after tile, down the rows first, since a panel of B stays in the first cache. */
function definePanels(m: ModuleBuilder, { tiles, close, along }: TileSet) {
  const height = tiles.length;
  const width = tileColumns(m.build);
  const copyPart = defineCopyPart(m, width);
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
    start: "i32",
    rowStart: "i32",
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
    const [columns, tileA, tileB, tileStepB, tileC, tileStart, spareStart] = f.locals("i32", 7);
    f.forRange(0, p.columns, width, (j) => {
      columns.set(i32.sub(p.columns, j));
      const inPlace = i32.and(p.directB, i32.geS(columns, width));
      f.if(
        inPlace,
        () => {
          tileB.set(i32.add(p.b, i32.shl(j, 2)));
          tileStepB.set(p.stepB);
        },
        () => {
          // In place only the last panel was packed, to the front.
          tileB.set(i32.add(p.packedB, i32.mul(i32.mul(i32.shl(j, 2), p.steps), i32.eqz(p.directB))));
          tileStepB.set(4 * width);
        },
      );
      const oneTile = (tile: Tile, rows: number, a: Int, rowA: Int, stepA: Int): void => {
        const operands = { steps: p.steps, a, rowA, stepA, b: tileB, stepB: tileStepB };
        f.if(
          i32.geS(columns, width),
          () => f.call(tile, { ...operands, c: tileC, rowC: p.rowC, start: tileStart, rowStart: p.rowStart }),
          () => {
            spareStart.set(0);
            f.if(tileStart, () => {
              f.call(copyPart, { rows, columns, from: tileStart, rowFrom: p.rowStart, to: p.spare, rowTo: 4 * width });
              spareStart.set(p.spare);
            });
            f.call(tile, { ...operands, c: p.spare, rowC: 4 * width, start: spareStart, rowStart: 4 * width });
            f.call(copyPart, { rows, columns, from: p.spare, rowFrom: 4 * width, to: tileC, rowTo: p.rowC });
          },
        );
      };
      tileA.set(panelsA);
      tileC.set(i32.add(p.c, i32.shl(j, 2)));
      f.if(p.start, () => tileStart.set(i32.add(p.start, i32.shl(j, 2))));
      f.forRange(0, wholeRows, height, () => {
        const whole = (tile: Tile) => () => oneTile(tile, height, tileA, rowOfPanel, stepOfPanel);
        const inGeneral = whole(tiles[height - 1]);
        const elsewhere = along === undefined ? inGeneral : () => f.if(i32.eq(stepOfPanel, 4), whole(along), inGeneral);
        f.if(i32.eq(rowOfPanel, 4), whole(close), elsewhere);
        f.increment(tileA, panelA);
        f.increment(tileC, i32.mul(p.rowC, height));
        f.if(p.start, () => f.increment(tileStart, i32.mul(p.rowStart, height)));
      });
      tileA.set(i32.add(p.a, i32.mul(wholeRows, p.rowA)));
      for (let count = 1; count < height; count++) {
        f.if(i32.eq(restOfRows, count), () => oneTile(tiles[count - 1], count, tileA, p.rowA, p.stepA));
      }
    });
  });
}

/** Copies the first columns, fewer than a tile has, of some rows. */
function defineCopyPart(m: ModuleBuilder, width: number) {
  const params = { rows: "i32", columns: "i32", from: "i32", rowFrom: "i32", to: "i32", rowTo: "i32" } as const;
  return m.internal("copyPart", { params }, (f, { rows, columns, from, rowFrom, to, rowTo }) => {
    const [source, target] = f.locals("i32", 2);
    const part = f.local("v128");
    const advance = (bytes: number): void => {
      f.increment(source, bytes);
      f.increment(target, bytes);
    };
    f.forRange(0, rows, 1, () => {
      source.set(from);
      target.set(to);
      for (let size = width / 2; size >= 4; size /= 2) {
        f.if(i32.and(columns, size), () => {
          for (let offset = 0; offset < 4 * size; offset += 16) f.store(target, v128.load(source, offset), offset);
          advance(4 * size);
        });
      }
      f.if(i32.and(columns, 2), () => {
        part.set(v128.load64Zero(source));
        f.store64Lane(target, part, 0);
        advance(8);
      });
      f.if(i32.and(columns, 1), () => {
        part.set(v128.load32Zero(source));
        f.store32Lane(target, part, 0);
      });
      f.increment(from, rowFrom);
      f.increment(to, rowTo);
    });
  });
}

const GEMM = { ...OPERANDS, c: "i32", rowStrideC: "i32", accumulate: "i32", scratch: "i32" } as const;
type Gemm = FunctionHandle<typeof GEMM, undefined>;

function defineGemm(m: ModuleBuilder, product: Product): Gemm {
  return m.func("gemm", { params: GEMM }, (f, { c, rowStrideC, accumulate, scratch, ...operands }) => {
    const start = i32.mul(c, i32.ne(accumulate, 0));
    const fresh = { packed: 0, firstColumn: 0, packedColumns: 0 };
    f.call(product, { ...operands, c, rowStrideC, start, rowStrideStart: rowStrideC, activation: 0, out: c, scratch, ...fresh });
  });
}

function defineLinear(m: ModuleBuilder, product: Product): void {
  const params = {
    ...OPERANDS,
    bias: "i32",
    c: "i32",
    rowStrideC: "i32",
    activation: "i32",
    before: "i32",
    scratch: "i32",
    packed: "i32",
    firstColumn: "i32",
    packedColumns: "i32",
  } as const;
  m.func("linear", { params }, (f, { bias, c, rowStrideC, activation, before, scratch, ...operands }) => {
    const target = f.let(c);
    f.if(i32.and(i32.ne(activation, 0), i32.ne(before, 0)), () => target.set(before));
    f.call(product, { ...operands, c: target, rowStrideC, start: bias, rowStrideStart: 0, activation, out: c, scratch });
  });
}

/** The passes of a product over `k`, one behind the other; of each the panels of all columns. */
function definePackMatrix(m: ModuleBuilder, pack: Pack): void {
  const params = { n: "i32", k: "i32", b: "i32", rowStrideB: "i32", columnStrideB: "i32", packed: "i32" } as const;
  m.func("packColumns", { params }, (f, { n, k, b, rowStrideB, columnStrideB, packed }) => {
    for (const stride of [rowStrideB, columnStrideB]) stride.set(i32.shl(stride, 2));
    const columns = f.let(i32.and(i32.add(n, WIDEST_TILE - 1), -WIDEST_TILE));
    f.if(i32.leS(k, 0), () => f.return());
    const steps = f.let(evenly(f, k, BLOCKING.steps, 1));
    const steps1 = f.local("i32");
    f.forRange(0, k, steps, (s) => {
      steps1.set(i32.sub(k, s));
      steps1.set(i32.minS(steps1, steps));
      f.call(pack, { lines: n, from: 0, steps: steps1, source: b, lineStride: columnStrideB, stepStride: rowStrideB, packed });
      f.increment(b, i32.mul(steps1, rowStrideB));
      f.increment(packed, i32.shl(i32.mul(steps1, columns), 2));
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
