import { f32, i32, v128 } from "../assembler/index.ts";
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder } from "../assembler/index.ts";
import { tileColumns } from "../matmul/blocking.ts";
import { definePack } from "../matmul/pack.ts";
import { tileRows } from "../matmul/tile.ts";

// With stride 1 the pixels that a tap of the kernel shows to neighbouring outputs are neighbours themselves. So no patches are made:
// a strip of the image is copied once, with zeros around it, and tiles of the product read it in place, tap after tap. Columns are
// positions in the padded strip; those between two rows of the output are computed for nothing and dropped.

type Int = Local<"i32">;
export type CopyRun = FunctionHandle<{ x: "i32"; out: "i32"; n: "i32" }, undefined>;

/** Terms of a sum per pass: what a tile reads stays in the first cache. */
const STEPS = 320;

const KERNEL = { weight: "i32", packed: "i32", O: "i32", C: "i32", taps: "i32", strideO: "i32", strideC: "i32", strideTap: "i32" } as const;
const STRIP = {
  x: "i32",
  packed: "i32",
  bias: "i32",
  y: "i32",
  C: "i32",
  H: "i32",
  W: "i32",
  O: "i32",
  kh: "i32",
  kw: "i32",
  padTop: "i32",
  padLeft: "i32",
  dilationH: "i32",
  dilationW: "i32",
  outH: "i32",
  outW: "i32",
  rowY: "i32",
  scratch: "i32",
} as const;

const IMAGE = {
  x: "i32",
  C: "i32",
  H: "i32",
  W: "i32",
  padTop: "i32",
  padLeft: "i32",
  lines: "i32",
  pitch: "i32",
  plane: "i32",
  image: "i32",
} as const;
export type CopyStrip = FunctionHandle<typeof IMAGE, undefined>;

/** Bytes of a channel of a padded strip: not a multiple of the distance at which lines compete for one place in the cache. */
export function planeBytes(lines: Int, pitch: Int) {
  return i32.shl(i32.or(i32.mul(lines, pitch), 16), 2);
}

/** A strip with zeros around it, `lines` of `pitch` numbers of each channel, channels `plane` bytes apart, and zeros to the end of the last vector. */
export function defineCopyStrip(m: ModuleBuilder, copyRun: CopyRun): CopyStrip {
  return m.internal("copyStrip", { params: IMAGE }, (f, { x, C, H, W, padTop, padLeft, lines, pitch, plane, image }) => {
    const [at, from, size, line] = f.locals("i32", 4);
    f.memoryFill(image, 0, i32.add(i32.mul(plane, C), 4 * tileColumns(m.build)));
    // Columns [left, right) of the padded lines show pixels.
    const left = f.let(i32.maxS(padLeft, 0));
    const shown = f.let(i32.add(W, padLeft));
    const right = f.let(i32.minS(shown, pitch));
    size.set(i32.sub(right, left));
    f.if(i32.leS(size, 0), () => f.return());
    f.forRange(0, C, 1, (c) =>
      f.forRange(0, lines, 1, (r) => {
        line.set(i32.sub(r, padTop));
        f.if(i32.and(i32.geS(line, 0), i32.ltS(line, H)), () => {
          from.set(i32.add(i32.mul(i32.add(i32.mul(c, H), line), W), i32.sub(left, padLeft)));
          at.set(i32.add(i32.mul(r, pitch), left));
          f.call(copyRun, {
            x: i32.add(x, i32.shl(from, 2)),
            out: i32.add(image, i32.add(i32.mul(c, plane), i32.shl(at, 2))),
            n: size,
          });
        });
      }),
    );
  });
}

/** Tiles of 1 … `tileRows` rows, see `defineTapTile`. */
export function defineTapTiles(m: ModuleBuilder) {
  const height = tileRows(m.build);
  return Array.from({ length: height }, (_, index) => defineTapTile(m, index + 1, height, tileColumns(m.build)));
}
export type TapTiles = ReturnType<typeof defineTapTiles>;

/** Adds `packKernel` and `correlate` to the module. */
export function defineCorrelate(m: ModuleBuilder, copyStrip: CopyStrip, tiles: TapTiles): void {
  const [height, columns] = [tileRows(m.build), tileColumns(m.build)];
  const pack = definePack(m, height);

  m.func("packKernel", { params: KERNEL }, (f, { weight, packed, O, C, taps, strideO, strideC, strideTap }) => {
    for (const stride of [strideO, strideC, strideTap]) stride.set(i32.shl(stride, 2));
    f.if(i32.leS(taps, 0), () => f.return());
    const [lines, source] = f.locals("i32", 2);
    eachPart(f, C, taps, (c, channels) => {
      f.forRange(0, O, height, (o) => {
        lines.set(i32.sub(O, o));
        lines.set(i32.minS(lines, height));
        source.set(i32.add(weight, i32.add(i32.mul(o, strideO), i32.mul(c, strideC))));
        f.forRange(0, taps, 1, () => {
          f.call(pack, { lines, from: 0, steps: channels, source, lineStride: strideO, stepStride: strideC, packed });
          f.increment(source, strideTap);
          f.increment(packed, i32.mul(channels, 4 * height));
        });
      });
    });
  });

  /** Between a tile beside `y` and those of its columns that are outputs, from position `position` on. */
  const exchange = (name: string, isOut: boolean) =>
    m.internal(
      name,
      { params: { tile: "i32", rows: "i32", y: "i32", rowY: "i32", position: "i32", pitch: "i32", outW: "i32", end: "i32" } },
      (f, { tile, rows, y, rowY, position, pitch, outW, end }) => {
        const last = f.let(i32.add(position, columns));
        const stop = f.let(i32.minS(last, end));
        const [row, column, at, from] = f.locals("i32", 4);
        f.forRange(position, stop, 1, (p) => {
          row.set(i32.divU(p, pitch));
          column.set(i32.sub(p, i32.mul(row, pitch)));
          f.if(i32.ltS(column, outW), () => {
            at.set(i32.add(y, i32.shl(i32.add(i32.mul(row, outW), column), 2)));
            from.set(tile);
            f.forRange(0, rows, 1, () => {
              if (isOut) f.store(at, f32.load(from));
              else f.store(from, f32.load(at));
              f.increment(at, rowY);
              f.increment(from, 4 * columns);
            });
          });
          f.increment(tile, 4);
        });
      },
    );
  const [give, take] = [exchange("giveColumns", true), exchange("takeColumns", false)];

  m.func("correlate", { params: STRIP }, (f, p) => {
    const { x, packed, bias, y, C, H, W, O, kh, kw, padTop, padLeft, dilationH, dilationW, outH, outW, rowY, scratch } = p;
    f.if(i32.or(i32.or(i32.leS(O, 0), i32.leS(outH, 0)), i32.leS(outW, 0)), () => f.return());
    rowY.set(i32.shl(rowY, 2));
    const taps = f.let(i32.mul(kh, kw));
    const pitch = f.let(i32.add(outW, i32.mul(i32.sub(kw, 1), dilationW)));
    const lines = f.let(i32.add(outH, i32.mul(i32.sub(kh, 1), dilationH)));
    const plane = f.let(planeBytes(lines, pitch));

    const spare = scratch;
    const starts = f.let(i32.add(spare, 4 * height * columns));
    const offsets = f.let(i32.add(starts, i32.mul(O, 4 * columns)));
    const image = f.let(i32.add(offsets, i32.shl(taps, 2)));
    const [at, from] = f.locals("i32", 2);

    at.set(offsets);
    f.forRange(0, kh, 1, (i) =>
      f.forRange(0, kw, 1, (j) => {
        f.store(at, i32.shl(i32.add(i32.mul(i32.mul(i, dilationH), pitch), i32.mul(j, dilationW)), 2));
        f.increment(at, 4);
      }),
    );
    at.set(starts);
    f.forRange(0, O, 1, (o) => {
      const shift = f.let(f32.const(0));
      f.if(bias, () => shift.set(f32.load(i32.add(bias, i32.shl(o, 2)))));
      for (let column = 0; column < columns; column++) f.store(at, shift, 4 * column);
      f.increment(at, 4 * columns);
    });

    f.call(copyStrip, { x, C, H, W, padTop, padLeft, lines, pitch, plane, image });

    // Along each row of outputs where whole tiles fill it, else along the whole strip.
    const end = f.let(i32.add(i32.mul(i32.sub(outH, 1), pitch), outW));
    const fits = f.let(i32.eqz(i32.and(outW, columns - 1)));
    const [position, column, b, tileY, weights, isFirst, isWhole, rows] = f.locals("i32", 8);
    const panel = f.let(packed);
    eachPart(f, C, taps, (c, channels) => {
      isFirst.set(i32.eqz(c));
      position.set(0);
      f.doWhile(i32.ltS(position, end), () => {
        column.set(i32.remU(position, pitch));
        b.set(i32.add(image, i32.add(i32.mul(c, plane), i32.shl(position, 2))));
        isWhole.set(i32.leS(i32.add(column, columns), outW));
        tileY.set(i32.add(y, i32.shl(i32.add(i32.mul(i32.divU(position, pitch), outW), column), 2)));
        weights.set(panel);
        at.set(starts);
        from.set(y);
        f.forRange(0, O, height, (o) => {
          rows.set(i32.sub(O, o));
          rows.set(i32.minS(rows, height));
          const start = f.let(at);
          const rowStart = f.let(i32.const(4 * columns));
          const [target, rowC] = [f.let(tileY), f.let(rowY)];
          f.if(
            isWhole,
            () =>
              f.if(i32.eqz(isFirst), () => {
                start.set(tileY);
                rowStart.set(rowY);
              }),
            () => {
              target.set(spare);
              rowC.set(4 * columns);
              f.if(i32.eqz(isFirst), () => {
                f.call(take, { tile: spare, rows, y: from, rowY, position, pitch, outW, end });
                start.set(spare);
              });
            },
          );
          callTile(f, tiles, rows, { channels, taps, offsets, a: weights, b, plane, c: target, rowC, start, rowStart });
          f.if(i32.eqz(isWhole), () => f.call(give, { tile: spare, rows, y: from, rowY, position, pitch, outW, end }));
          f.increment(weights, i32.mul(i32.mul(channels, taps), 4 * height));
          f.increment(at, 4 * height * columns);
          f.increment(tileY, i32.mul(rowY, height));
          f.increment(from, i32.mul(rowY, height));
        });
        f.increment(position, columns);
        f.if(i32.and(fits, i32.eq(i32.add(column, columns), outW)), () => f.increment(position, i32.sub(pitch, outW)));
      });
      panel.set(weights);
    });
  });
}

/** Calls the tile of that many rows. */
export function callTile(f: FunctionBuilder, tiles: TapTiles, rows: Int, given: Record<keyof typeof TAP_TILE, Int>): void {
  f.block((done) => {
    for (let index = tiles.length - 1; index >= 0; index--) {
      f.if(i32.eq(rows, index + 1), () => {
        f.call(tiles[index], given);
        f.branch(done);
      });
    }
  });
}

/** Calls `visit(first, count)` for equal parts of the channels, so that a part has at most `STEPS` terms, or one channel. */
export function eachPart(f: FunctionBuilder, C: Int, taps: Int, visit: (first: Int, count: Int) => void): void {
  const fitting = f.let(i32.divU(i32.const(STEPS), taps));
  const most = f.let(i32.maxS(fitting, 1));
  const parts = f.let(i32.divU(i32.sub(i32.add(C, most), 1), most));
  f.if(i32.gtS(C, 0), () => {
    const part = f.let(i32.divU(i32.sub(i32.add(C, parts), 1), parts));
    const count = f.local("i32");
    f.forRange(0, C, part, (first) => {
      count.set(i32.sub(C, first));
      count.set(i32.minS(count, part));
      visit(first, count);
    });
  });
}

const TAP_TILE = {
  channels: "i32",
  taps: "i32",
  offsets: "i32",
  a: "i32",
  b: "i32",
  plane: "i32",
  c: "i32",
  rowC: "i32",
  start: "i32",
  rowStart: "i32",
} as const;

/**
 * A tile of `rows` × `columns`: as in the matrix product, but for each tap the pixels lie elsewhere, channels `plane` bytes apart. Weights
 * are packed, `height` of them per term.
 */
function defineTapTile(m: ModuleBuilder, rows: number, height: number, columns: number) {
  return m.internal(`tapTile${rows}`, { params: TAP_TILE }, (f, { channels, taps, offsets, a, b, plane, c, rowC, start, rowStart }) => {
    const vectors = columns / 4;
    const sums = Array.from({ length: rows }, () => f.locals("v128", vectors));
    sums.forEach((row, index) => {
      if (index > 0) f.increment(start, rowStart);
      row.forEach((sum, vector) => sum.set(v128.load(start, 16 * vector)));
    });
    const pixels = f.locals("v128", vectors);
    const factor = f.local("v128");
    const [pointer, left] = f.locals("i32", 2);
    f.doWhile(taps, () => {
      pointer.set(i32.add(b, i32.load(offsets)));
      f.increment(offsets, 4);
      left.set(channels);
      f.doWhile(left, () => {
        pixels.forEach((vector, index) => vector.set(v128.load(pointer, 16 * index)));
        f.increment(pointer, plane);
        sums.forEach((row, index) => {
          factor.set(v128.load32Splat(a, 4 * index));
          row.forEach((sum, vector) => sum.set(f.madd(factor, pixels[vector], sum)));
        });
        f.increment(a, 4 * height);
        f.increment(left, -1);
      });
      f.increment(taps, -1);
    });
    sums.forEach((row, index) => {
      if (index > 0) f.increment(c, rowC);
      row.forEach((sum, vector) => f.store(c, sum, 16 * vector));
    });
  });
}
