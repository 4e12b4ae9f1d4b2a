import { f32, f32x4, i32, v128 } from "../assembler/index.ts";
import type { Expression, FunctionBuilder, Local, ModuleBuilder } from "../assembler/index.ts";
import { tileColumns } from "../matmul/blocking.ts";
import { tileRows } from "../matmul/tile.ts";
import { MILD } from "./reference.ts";
import { callTile, eachPart, planeBytes, type CopyRun, type CopyStrip, type TapTiles } from "./correlate.ts";

// F(2 × 2, 3 × 3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016): four outputs that are neighbours are a transform of
// products of transformed pixels, 4 × 4, with transformed taps: 16 multiplications for 36. Each of the 16 points is a matrix product over the channels.
// Tiles of pixels are transformed by fours, neighbours in a row ("quads"), as many quads at a time as the second cache holds of all channels.

type Int = Local<"i32">;
type Vector = Local<"v128">;

const POINTS = 16;
/** Bytes of a line of the cache. */
const LINE = 64;

const KERNEL = { weight: "i32", packed: "i32", O: "i32", C: "i32", strideO: "i32", strideC: "i32", strideTap: "i32" } as const;
const STRIP = {
  x: "i32",
  packed: "i32",
  bias: "i32",
  y: "i32",
  C: "i32",
  H: "i32",
  W: "i32",
  O: "i32",
  padTop: "i32",
  padLeft: "i32",
  outH: "i32",
  outW: "i32",
  rowY: "i32",
  quads: "i32",
  scratch: "i32",
} as const;

interface Parts {
  readonly copyStrip: CopyStrip;
  readonly copyRun: CopyRun;
  readonly tiles: TapTiles;
}

/** Adds `areMild`, `packWinograd` and `winograd` to the module. */
export function defineWinograd(m: ModuleBuilder, { copyStrip, copyRun, tiles }: Parts): void {
  const [height, columns] = [tileRows(m.build), tileColumns(m.build)];

  m.func("areMild", { params: { x: "i32", n: "i32" }, result: "i32" }, (f, { x, n }) => {
    const [most, mild] = [f.let(f32x4.splat(MILD)), f.let(f32x4.eq(f32x4.splat(0), f32x4.splat(0)))];
    f.vectorLoop(
      n,
      () => {
        mild.set(v128.and(mild, f32x4.le(f32x4.abs(v128.load(x)), most)));
        f.increment(x, 16);
      },
      () => {
        mild.set(v128.and(mild, f32x4.le(f32x4.abs(v128.load32Splat(x)), most)));
        f.increment(x, 4);
      },
    );
    f.return(i32.eqz(v128.anyTrue(v128.not(mild))));
  });

  // [point, panel of rows, c, row of the panel]
  m.func("packWinograd", { params: KERNEL }, (f, { weight, packed, O, C, strideO, strideC, strideTap }) => {
    for (const stride of [strideO, strideC, strideTap]) stride.set(i32.shl(stride, 2));
    const panel = f.let(i32.mul(C, 4 * height));
    const point = f.let(packedPoint(panel, O, height));
    const [from, tap, to] = f.locals("i32", 3);
    f.forRange(0, O, 1, (o) => {
      from.set(weight);
      to.set(i32.add(packed, i32.add(i32.mul(i32.divU(o, height), panel), i32.shl(i32.remU(o, height), 2))));
      f.forRange(0, C, 1, () => {
        tap.set(from);
        const rows = Array.from({ length: 3 }, () =>
          transformTaps(
            f,
            Array.from({ length: 3 }, () => {
              const value = f.let(f32.load(tap));
              f.increment(tap, strideTap);
              return value;
            }),
          ),
        );
        const columnsOfIt = [0, 1, 2, 3].map((j) => transformTaps(f, [rows[0][j], rows[1][j], rows[2][j]]));
        tap.set(to);
        for (let i = 0; i < 4; i++) {
          for (let j = 0; j < 4; j++) {
            f.store(tap, columnsOfIt[j][i]);
            f.increment(tap, point);
          }
        }
        f.increment(from, strideC);
        f.increment(to, 4 * height);
      });
      f.increment(weight, strideO);
    });
  });

  const GROUP = { from: "i32", to: "i32", point: "i32", pitch: "i32", rest: "i32", column: "i32", across: "i32", count: "i32" } as const;
  /** Transforms the pixels of `count` quads of a channel; `rest` bytes are from the end of a row of quads to the next. */
  const transformPixels = m.internal("pixels", { params: GROUP }, (f, { from, to, point, pitch, rest, column, across, count }) => {
    const [line, at] = f.locals("i32", 2);
    f.forRange(0, count, 1, () => {
      line.set(from);
      const rows = Array.from({ length: 4 }, () => {
        const pair = (offset: number) => [f.let(v128.load(line, offset)), f.let(v128.load(line, offset + 16))] as const;
        const [[a, b], [c, d]] = [pair(0), pair(8)];
        const pixels = [
          f.let(f32x4.shuffle(a, b, [0, 2, 4, 6])),
          f.let(f32x4.shuffle(a, b, [1, 3, 5, 7])),
          f.let(f32x4.shuffle(c, d, [0, 2, 4, 6])),
          f.let(f32x4.shuffle(c, d, [1, 3, 5, 7])),
        ];
        f.increment(line, pitch);
        return transformed(pixels).map((value) => f.let(value));
      });
      at.set(to);
      const columnsOfIt = [0, 1, 2, 3].map((j) => transformed(rows.map((row) => row[j])));
      for (let i = 0; i < 4; i++) {
        for (let j = 0; j < 4; j++) {
          f.store(at, columnsOfIt[j][i]);
          f.increment(at, point);
        }
      }
      f.increment(to, 16);
      f.increment(from, 32);
      f.increment(column, 1);
      f.if(i32.eq(column, across), () => {
        column.set(0);
        f.increment(from, rest);
      });
    });
  });

  const OUTPUTS = { ...GROUP, shift: "f32", row: "i32", outH: "i32", outW: "i32", spare: "i32" } as const;
  /** Outputs of `count` quads of a filter, two rows of eight each; `from` is their first point. */
  const writeOutputs = m.internal(
    "outputs",
    { params: OUTPUTS },
    (f, { from, to, point, pitch, rest, column, across, count, shift, row, outH, outW, spare }) => {
      const [at, left, next] = f.locals("i32", 3);
      const added = f.let(f32x4.splat(shift));
      f.forRange(0, count, 1, () => {
        at.set(from);
        const sums = [f.locals("v128", 4), f.locals("v128", 4)];
        const [first, second] = sums;
        for (let i = 0; i < 4; i++) {
          for (let j = 0; j < 4; j++) {
            const value = f.let(v128.load(at));
            if (i === 0) first[j].set(value);
            else if (i < 3) first[j].set(f32x4.add(first[j], value));
            if (i === 1) second[j].set(value);
            else if (i > 1) second[j].set(f32x4.sub(second[j], value));
            f.increment(at, point);
          }
        }
        const lines = sums.map(([a, b, c, d]) => {
          const even = f.let(f32x4.add(f32x4.add(f32x4.add(a, b), c), added));
          const odd = f.let(f32x4.add(f32x4.sub(f32x4.sub(b, c), d), added));
          return [f.let(f32x4.shuffle(even, odd, [0, 4, 1, 5])), f.let(f32x4.shuffle(even, odd, [2, 6, 3, 7]))];
        });
        left.set(i32.sub(outW, i32.shl(column, 3)));
        next.set(i32.add(to, pitch));
        lines.forEach((line, index) => {
          const target = index === 0 ? to : next;
          const store = () =>
            f.if(
              i32.geS(left, 8),
              () => line.forEach((part, half) => f.store(target, part, 16 * half)),
              () => {
                line.forEach((part, half) => f.store(spare, part, 16 * half));
                f.call(copyRun, { x: spare, out: target, n: left });
              },
            );
          if (index === 0) store();
          else f.if(i32.ltS(i32.add(row, 1), outH), store);
        });
        f.increment(from, 16);
        f.increment(to, 32);
        f.increment(column, 1);
        f.if(i32.eq(column, across), () => {
          column.set(0);
          f.increment(row, 2);
          f.increment(to, rest);
        });
      });
    },
  );

  m.func("winograd", { params: STRIP }, (f, p) => {
    const { x, packed, bias, y, C, H, W, O, padTop, padLeft, outH, outW, rowY, quads, scratch } = p;
    f.if(i32.or(i32.or(i32.leS(O, 0), i32.leS(C, 0)), i32.or(i32.leS(outH, 0), i32.leS(outW, 0))), () => f.return());
    const across = f.let(i32.shrU(i32.add(outW, 7), 3));
    const down = i32.shrU(i32.add(outH, 1), 1);
    const total = f.let(i32.mul(down, across));
    const pitch = f.let(i32.add(i32.shl(across, 3), 2));
    const lines = f.let(i32.and(i32.add(outH, 3), -2));
    const plane = f.let(planeBytes(lines, pitch));
    /** Bytes from channel to channel at one point. */
    const rowBytes = f.let(i32.shl(quads, 4));
    const [pointIn, pointOut] = [C, O].map((channels) => f.let(i32.add(i32.mul(rowBytes, channels), LINE)));

    const zeros = scratch;
    const spare = f.let(i32.add(zeros, 4 * columns));
    const inputs = f.let(i32.add(spare, 32));
    const outputs = f.let(i32.add(inputs, i32.mul(pointIn, POINTS)));
    const image = f.let(i32.add(outputs, i32.mul(pointOut, POINTS)));
    f.memoryFill(zeros, 0, 4 * columns);
    f.call(copyStrip, { x, C, H, W, padTop, padLeft, lines, pitch, plane, image });
    rowY.set(i32.shl(rowY, 2));
    const [lineBytes, outBytes] = [f.let(i32.shl(pitch, 2)), f.let(i32.shl(outW, 2))];
    const [restIn, restOut] = [lineBytes, outBytes].map((bytes) => f.let(i32.sub(i32.shl(bytes, 1), i32.shl(across, 5))));

    const one = f.let(i32.const(1));
    const [count, row, column, from, to, panel, rows, start, rowStart, a, b, c] = f.locals("i32", 12);
    f.forRange(0, total, quads, (first) => {
      count.set(i32.sub(total, first));
      count.set(i32.minS(count, quads));
      row.set(i32.divU(first, across));
      column.set(i32.sub(first, i32.mul(row, across)));

      from.set(i32.add(image, i32.add(i32.mul(i32.shl(row, 1), lineBytes), i32.shl(column, 5))));
      to.set(inputs);
      f.forRange(0, C, 1, () => {
        f.call(transformPixels, { from, to, point: pointIn, pitch: lineBytes, rest: restIn, column, across, count });
        f.increment(from, plane);
        f.increment(to, rowBytes);
      });

      const width = f.let(i32.shl(count, 2));
      eachPart(f, C, one, (channel, channels) => {
        from.set(i32.add(inputs, i32.mul(channel, rowBytes)));
        to.set(outputs);
        panel.set(i32.add(packed, i32.mul(channel, 4 * height)));
        f.forRange(0, POINTS, 1, () => {
          f.forRange(0, O, height, (o) => {
            rows.set(i32.sub(O, o));
            rows.set(i32.minS(rows, height));
            f.forRange(0, width, columns, (j) => {
              a.set(panel);
              b.set(i32.add(from, i32.shl(j, 2)));
              c.set(i32.add(to, i32.shl(j, 2)));
              start.set(c);
              rowStart.set(rowBytes);
              f.if(i32.eqz(channel), () => {
                start.set(zeros);
                rowStart.set(0);
              });
              // One tap, at distance 0.
              callTile(f, tiles, rows, { channels, taps: one, offsets: zeros, a, b, plane: rowBytes, c, rowC: rowBytes, start, rowStart });
            });
            f.increment(panel, i32.mul(C, 4 * height));
            f.increment(to, i32.mul(rows, rowBytes));
          });
          f.increment(panel, LINE);
          f.increment(to, LINE);
          f.increment(from, pointIn);
        });
      });

      const shift = f.let(f32.const(0));
      const biasAt = f.let(bias);
      from.set(outputs);
      to.set(i32.add(y, i32.add(i32.mul(i32.shl(row, 1), outBytes), i32.shl(column, 5))));
      row.set(i32.shl(row, 1));
      f.forRange(0, O, 1, () => {
        f.if(biasAt, () => {
          shift.set(f32.load(biasAt));
          f.increment(biasAt, 4);
        });
        f.call(writeOutputs, {
          from,
          to,
          point: pointOut,
          pitch: outBytes,
          rest: restOut,
          column,
          across,
          count,
          shift,
          row,
          outH,
          outW,
          spare,
        });
        f.increment(from, rowBytes);
        f.increment(to, rowY);
      });
    });
  });
}

/** Bytes from point to point of a packed kernel: a line more than panels take, so that points do not compete for one place in the cache. */
function packedPoint(panel: Int, O: Int, height: number) {
  return i32.add(i32.mul(panel, i32.divU(i32.add(O, height - 1), height)), LINE);
}

/** G g for a row or column of taps: `[g0, (g0 + g1 + g2) / 2, (g0 − g1 + g2) / 2, g2]`. */
function transformTaps(f: FunctionBuilder, [a, b, c]: readonly Local<"f32">[]): Local<"f32">[] {
  const outer = f.let(f32.mul(f32.add(a, c), 0.5));
  const inner = f.let(f32.mul(b, 0.5));
  return [a, f.let(f32.add(outer, inner)), f.let(f32.sub(outer, inner)), c];
}

/** Bᵀ d for a row or column of pixels. */
function transformed([a, b, c, d]: readonly Vector[]): Expression<"v128">[] {
  return [f32x4.sub(a, c), f32x4.add(b, c), f32x4.sub(c, b), f32x4.sub(b, d)];
}
