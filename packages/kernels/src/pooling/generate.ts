import { f32, f32x4, i32, i32x4, ModuleBuilder, select, v128 } from "../assembler/index.ts";
import type { Build, F32, FunctionBuilder, Local } from "../assembler/index.ts";

/** The WebAssembly of pooling. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  defineMaxPool(m);
  m.func(
    "maxPoolGrad",
    { params: { g: "i32", argmax: "i32", dx: "i32", planes: "i32", size: "i32", outSize: "i32" } },
    (f, { g, argmax, dx, planes, size, outSize }) => {
      const planeBytes = f.let(i32.shl(size, 2));
      const target = f.local("i32");
      const where = f.local("i32");
      f.memoryFill(dx, 0, i32.mul(planes, planeBytes));
      f.forRange(0, planes, 1, () => {
        f.forRange(0, outSize, 1, () => {
          where.set(i32.load(argmax));
          f.if(i32.geS(where, 0), () => {
            target.set(i32.add(dx, i32.shl(where, 2)));
            f.store(target, f32.add(f32.load(target), f32.load(g)));
          });
          f.increment(argmax, 4);
          f.increment(g, 4);
        });
        f.increment(dx, planeBytes);
      });
    },
  );
  defineMeans(m);
  return m.toBytes();
}

type Int = Local<"i32">;

/** Sets start and end to the rows (or columns) of the window of one output. */
type Window = (f: FunctionBuilder, output: Int, start: Int, end: Int) => void;

/** A window of k at every stride, cut to [0, n). */
function sliding(n: Int, k: Int, stride: Int, pad: Int): Window {
  return (f, output, start, end) => {
    const first = f.let(i32.sub(i32.mul(output, stride), pad));
    start.set(i32.maxS(first, 0));
    end.set(i32.minS(f.let(i32.add(first, k)), n));
  };
}

/** One of `count` bins that cover [0, n). */
function bin(n: Int, count: Int): Window {
  return (_, output, start, end) => {
    start.set(i32.divS(i32.mul(output, n), count));
    end.set(i32.divS(i32.add(i32.mul(i32.add(output, 1), n), i32.sub(count, 1)), count));
  };
}

const SHAPE = { planes: "i32", H: "i32", W: "i32", outH: "i32", outW: "i32" } as const;
const SLIDING = {
  planes: "i32",
  H: "i32",
  W: "i32",
  kh: "i32",
  kw: "i32",
  strideH: "i32",
  strideW: "i32",
  padTop: "i32",
  padLeft: "i32",
  outH: "i32",
  outW: "i32",
} as const;

function defineMaxPool(m: ModuleBuilder): void {
  const WINDOW = { x: "i32", height: "i32", width: "i32", W: "i32", first: "i32", out: "i32", argmax: "i32" } as const;
  /** Calls visit for the pixels of a window with the pointer and the index of each; `x` and `first` are those of the first. */
  const eachPixel = (
    f: FunctionBuilder,
    { x, height, width, W, first }: Record<"x" | "height" | "width" | "W" | "first", Int>,
    visit: (pixel: Int, index: Int) => void,
  ) => {
    const [pixel, index] = f.locals("i32", 2);
    const rowBytes = f.let(i32.shl(W, 2));
    f.forRange(0, height, 1, () => {
      pixel.set(x);
      index.set(first);
      f.forRange(0, width, 1, () => {
        visit(pixel, index);
        f.increment(pixel, 4);
        f.increment(index, 1);
      });
      f.increment(x, rowBytes);
      f.increment(first, W);
    });
  };

  const one = m.internal("maxOfOne", { params: WINDOW }, (f, { out, argmax, ...window }) => {
    const best = f.local("f32");
    const where = f.local("i32");
    const value = f.local("f32");
    best.set(-Infinity);
    where.set(select(i32.and(i32.gtS(window.height, 0), i32.gtS(window.width, 0)), window.first, i32.const(-1)));
    eachPixel(f, window, (pixel, index) => {
      value.set(f32.load(pixel));
      f.if(i32.or(f32.gt(value, best), i32.and(f32.ne(value, value), f32.eq(best, best))), () => {
        best.set(value);
        where.set(index);
      });
    });
    f.store(out, best);
    f.store(argmax, where);
  });

  /** Four neighbouring outputs whose windows lie wholly inside the plane. */
  const four = ([1, 2] as const).map((stride) =>
    m.internal(`maxOfFour${stride}`, { params: WINDOW }, (f, { out, argmax, ...window }) => {
      const best = f.let(f32x4.const(-Infinity));
      const steps = f.let(i32x4.const(0, stride, 2 * stride, 3 * stride));
      const where = f.let(i32x4.add(i32x4.splat(window.first), steps));
      const [values, better] = f.locals("v128", 2);
      eachPixel(f, window, (pixel, index) => {
        values.set(stride === 1 ? v128.load(pixel) : f32x4.shuffle(v128.load(pixel), v128.load(pixel, 16), [0, 2, 4, 6]));
        better.set(v128.or(f32x4.gt(values, best), v128.and(f32x4.ne(values, values), f32x4.eq(best, best))));
        best.set(v128.bitselect(values, best, better));
        where.set(v128.bitselect(i32x4.add(i32x4.splat(index), steps), where, better));
      });
      f.store(out, best);
      f.store(argmax, where);
    }),
  );
  /** Pixels that a vector of outputs reads beyond the first window. With stride 2 it reads one that nobody wants. */
  const reach = [3, 7];

  m.func(
    "maxPool",
    { params: { x: "i32", out: "i32", argmax: "i32", ...SLIDING } },
    (f, { x, out, argmax, planes, H, W, kh, kw, strideH, strideW, padTop, padLeft, outH, outW }) => {
      const planeBytes = f.let(i32.shl(i32.mul(H, W), 2));
      const [top, bottom, left, right, column, s, first] = f.locals("i32", 7);
      const rows = sliding(H, kh, strideH, padTop);
      const columns = sliding(W, kw, strideW, padLeft);
      f.forRange(0, planes, 1, () => {
        f.forRange(0, outH, 1, (r) => {
          rows(f, r, top, bottom);
          const height = f.let(i32.sub(bottom, top));
          s.set(0);
          f.block((exit) => {
            f.loop((again) => {
              f.branchIf(exit, i32.geS(s, outW));
              const advance = (count: number) => {
                f.increment(out, 4 * count);
                f.increment(argmax, 4 * count);
                f.increment(s, count);
                f.branch(again);
              };
              column.set(i32.sub(i32.mul(s, strideW), padLeft));
              f.if(i32.and(i32.and(i32.geS(column, 0), i32.gtS(height, 0)), i32.leS(i32.add(s, 4), outW)), () => {
                first.set(i32.add(i32.mul(top, W), column));
                four.forEach((handle, i) => {
                  const fits = i32.leS(i32.add(i32.add(column, kw), reach[i]), W);
                  f.if(i32.and(i32.eq(strideW, i + 1), fits), () => {
                    f.call(handle, { x: i32.add(x, i32.shl(first, 2)), height, width: kw, W, first, out, argmax });
                    advance(4);
                  });
                });
              });
              columns(f, s, left, right);
              first.set(i32.add(i32.mul(top, W), left));
              f.call(one, { x: i32.add(x, i32.shl(first, 2)), height, width: i32.sub(right, left), W, first, out, argmax });
              advance(1);
            });
          });
        });
        f.increment(x, planeBytes);
      });
    },
  );
}

function defineMeans(m: ModuleBuilder): void {
  const sum = m.internal(
    "windowSum",
    { params: { x: "i32", height: "i32", width: "i32", W: "i32" }, result: "f32" },
    (f, { x, height, width, W }) => {
      joinRows(f, height, width, W);
      const rowBytes = f.let(i32.shl(W, 2));
      const pixel = f.local("i32");
      const total = f.local("f32");
      const totals = f.local("v128");
      f.forRange(0, height, 1, () => {
        pixel.set(x);
        f.vectorLoop(
          width,
          () => {
            totals.set(f32x4.add(totals, v128.load(pixel)));
            f.increment(pixel, 16);
          },
          () => {
            total.set(f32.add(total, f32.load(pixel)));
            f.increment(pixel, 4);
          },
        );
        f.increment(x, rowBytes);
      });
      const lanes = [0, 1, 2, 3].map((lane) => f32x4.extractLane(totals, lane));
      f.return(f32.add(total, f32.add(f32.add(lanes[0], lanes[1]), f32.add(lanes[2], lanes[3]))));
    },
  );

  const spread = m.internal(
    "windowAdd",
    { params: { dx: "i32", height: "i32", width: "i32", W: "i32", share: "f32" } },
    (f, { dx, height, width, W, share }) => {
      joinRows(f, height, width, W);
      const rowBytes = f.let(i32.shl(W, 2));
      const shares = f.let(f32x4.splat(share));
      const pixel = f.local("i32");
      f.forRange(0, height, 1, () => {
        pixel.set(dx);
        f.vectorLoop(
          width,
          () => {
            f.store(pixel, f32x4.add(v128.load(pixel), shares));
            f.increment(pixel, 16);
          },
          () => {
            f.store(pixel, f32.add(f32.load(pixel), share));
            f.increment(pixel, 4);
          },
        );
        f.increment(dx, rowBytes);
      });
    },
  );

  type Shape = Record<keyof typeof SHAPE, Int>;
  const forward = (f: FunctionBuilder, x: Int, out: Int, shape: Shape, rows: Window, columns: Window, divisor: Divisor) =>
    eachWindow(f, x, shape, rows, columns, (pixel, height, width) => {
      f.store(out, f32.div(f.call(sum, { x: pixel, height, width, W: shape.W }), divisor(height, width)));
      f.increment(out, 4);
    });
  const backward = (f: FunctionBuilder, g: Int, dx: Int, shape: Shape, rows: Window, columns: Window, divisor: Divisor) => {
    f.memoryFill(dx, 0, i32.shl(i32.mul(shape.planes, i32.mul(shape.H, shape.W)), 2));
    eachWindow(f, dx, shape, rows, columns, (pixel, height, width) => {
      f.call(spread, { dx: pixel, height, width, W: shape.W, share: f32.div(f32.load(g), divisor(height, width)) });
      f.increment(g, 4);
    });
  };

  const slidingWindows = ({ H, W, kh, kw, strideH, strideW, padTop, padLeft }: Record<keyof typeof SLIDING, Int>) =>
    [sliding(H, kh, strideH, padTop), sliding(W, kw, strideW, padLeft)] as const;
  /** kh · kw, or without `countIncludePad` the number of pixels. */
  const slidingDivisor =
    (kh: Int, kw: Int, countIncludePad: Int): Divisor =>
    (height, width) =>
      f32.convertI32S(select(countIncludePad, i32.mul(kh, kw), i32.mul(height, width)));
  m.func("avgPool", { params: { x: "i32", out: "i32", ...SLIDING, countIncludePad: "i32" } }, (f, { x, out, countIncludePad, ...s }) => {
    forward(f, x, out, s, ...slidingWindows(s), slidingDivisor(s.kh, s.kw, countIncludePad));
  });
  m.func("avgPoolGrad", { params: { g: "i32", dx: "i32", ...SLIDING, countIncludePad: "i32" } }, (f, { g, dx, countIncludePad, ...s }) => {
    backward(f, g, dx, s, ...slidingWindows(s), slidingDivisor(s.kh, s.kw, countIncludePad));
  });

  const bins = ({ H, W, outH, outW }: Shape) => [bin(H, outH), bin(W, outW)] as const;
  const pixels: Divisor = (height, width) => f32.convertI32S(i32.mul(height, width));
  m.func("adaptiveAvgPool", { params: { x: "i32", out: "i32", ...SHAPE } }, (f, { x, out, ...shape }) => {
    forward(f, x, out, shape, ...bins(shape), pixels);
  });
  m.func("adaptiveAvgPoolGrad", { params: { g: "i32", dx: "i32", ...SHAPE } }, (f, { g, dx, ...shape }) => {
    backward(f, g, dx, shape, ...bins(shape), pixels);
  });
}

type Divisor = (height: Int, width: Int) => F32;

/** A window as wide as the plane is one long row. */
function joinRows(f: FunctionBuilder, height: Int, width: Int, W: Int): void {
  f.if(i32.and(i32.eq(width, W), i32.gtS(height, 0)), () => {
    width.set(i32.mul(height, width));
    height.set(1);
  });
}

/** Calls visit for every output in order, with the pointer to the first pixel of its window and the window's size (0 if it has none). */
function eachWindow(
  f: FunctionBuilder,
  image: Int,
  { planes, H, W, outH, outW }: Record<keyof typeof SHAPE, Int>,
  rows: Window,
  columns: Window,
  visit: (pixel: Int, height: Int, width: Int) => void,
): void {
  const planeBytes = f.let(i32.shl(i32.mul(H, W), 2));
  const plane = f.let(image);
  const [top, bottom, left, right, pixel, height, width] = f.locals("i32", 7);
  f.forRange(0, planes, 1, () => {
    f.forRange(0, outH, 1, (r) => {
      rows(f, r, top, bottom);
      height.set(i32.sub(bottom, top));
      height.set(i32.maxS(height, 0));
      f.forRange(0, outW, 1, (s) => {
        columns(f, s, left, right);
        width.set(i32.sub(right, left));
        width.set(i32.maxS(width, 0));
        pixel.set(i32.add(plane, i32.shl(i32.add(i32.mul(top, W), left), 2)));
        visit(pixel, height, width);
      });
    });
    f.increment(plane, planeBytes);
  });
}
