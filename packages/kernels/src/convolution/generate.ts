import { f32, f32x4, i32, ModuleBuilder, select, v128 } from "../assembler/index.ts";
import type { Build, Expression, FunctionBuilder, I32, Local } from "../assembler/index.ts";
import { defineCopyStrip, defineCorrelate, defineTapTiles } from "./correlate.ts";
import { defineWinograd } from "./winograd.ts";

// Each tap (c, i, j) of the kernel has one row of the patches: a plane [outH, outW] that shows one plane of the image,
// shifted and thinned out. Inside the rectangle [top, bottom) × [left, right) it shows pixels, outside zeros.

/** The WebAssembly of patches and their adjoint. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const zeros = defineZeros(m);
  const copyRun = defineCopyRun(m);

  const show = m.internal("show", { params: TAP }, (f, { x, plane, W, strideH, strideW, top, bottom, left, right, outH, outW }) => {
    // Zeros above and below, and everywhere if no pixel is seen.
    f.if(i32.or(i32.geS(top, bottom), i32.geS(left, right)), () => {
      f.call(zeros, { out: plane, n: i32.mul(outH, outW) });
      f.return();
    });
    f.call(zeros, { out: plane, n: i32.mul(top, outW) });
    f.call(zeros, { out: i32.add(plane, i32.shl(i32.mul(bottom, outW), 2)), n: i32.mul(i32.sub(outH, bottom), outW) });
    const width = f.let(i32.sub(right, left));
    const height = f.let(i32.sub(bottom, top));
    const outStep = f.let(i32.shl(outW, 2));
    const row = f.let(i32.add(plane, i32.mul(top, outStep)));
    /** The zeros to the left and right of the pixels of every row. */
    const edges = () =>
      f.forRange(0, height, 1, () => {
        f.forRange(0, left, 1, (s) => f.store(i32.add(row, i32.shl(s, 2)), f32.const(0)));
        f.forRange(right, outW, 1, (s) => f.store(i32.add(row, i32.shl(s, 2)), f32.const(0)));
        f.increment(row, outStep);
      });

    f.if(i32.and(i32.and(i32.eq(strideH, 1), i32.eq(strideW, 1)), i32.eq(W, outW)), () => {
      // Rows follow one another alike on both sides: one run from the first pixel to the last, edges put right after.
      const run = i32.add(i32.mul(i32.sub(height, 1), outW), width);
      f.call(copyRun, { x, out: i32.add(row, i32.shl(left, 2)), n: run });
      f.if(i32.ne(width, outW), edges);
      f.return();
    });

    const rowStep = f.let(i32.mul(i32.mul(W, strideH), 4));
    const pixelStep = f.let(i32.shl(strideW, 2));
    const [px, po] = [f.local("i32"), f.local("i32")];
    const rest = f.local("i32");
    const first = f.let(row);
    edges();
    row.set(i32.add(first, i32.shl(left, 2)));
    const eachRow = (body: () => void) =>
      f.forRange(0, height, 1, () => {
        px.set(x);
        po.set(row);
        body();
        f.increment(x, rowStep);
        f.increment(row, outStep);
      });
    const items = (count: I32) =>
      f.forRange(0, count, 1, () => {
        f.store(po, f32.load(px));
        f.increment(px, pixelStep);
        f.increment(po, 4);
      });
    f.if(i32.eq(strideW, 1), () => {
      eachRow(() => f.call(copyRun, { x, out: row, n: width }));
      f.return();
    });
    f.if(i32.eq(strideW, 2), () => {
      eachRow(() => {
        rest.set(width);
        // Two vectors hold four pixels that are wanted and four that are not; the last of those may lie outside memory.
        f.block((exit) => {
          f.branchIf(exit, i32.ltS(rest, 5));
          f.doWhile(i32.geS(rest, 5), () => {
            f.store(po, f32x4.shuffle(v128.load(px), v128.load(px, 16), [0, 2, 4, 6]));
            f.increment(px, 32);
            f.increment(po, 16);
            f.increment(rest, -4);
          });
        });
        items(rest);
      });
      f.return();
    });
    eachRow(() => items(width));
  });

  const collect = m.internal("collect", { params: TAP }, (f, { x, plane, W, strideH, strideW, top, bottom, left, right, outW }) => {
    const width = f.let(i32.sub(right, left));
    const outStep = f.let(i32.shl(outW, 2));
    const rowStep = f.let(i32.mul(i32.mul(W, strideH), 4));
    const pixelStep = f.let(i32.shl(strideW, 2));
    const row = f.let(i32.add(plane, i32.shl(i32.add(i32.mul(top, outW), left), 2)));
    const [px, pg] = [f.local("i32"), f.local("i32")];
    const add = () => {
      f.store(px, f32.add(f32.load(px), f32.load(pg)));
      f.increment(px, pixelStep);
      f.increment(pg, 4);
    };
    const eachRow = (body: () => void) =>
      f.forRange(top, bottom, 1, () => {
        px.set(x);
        pg.set(row);
        body();
        f.increment(x, rowStep);
        f.increment(row, outStep);
      });
    f.if(
      i32.eq(strideW, 1),
      () =>
        eachRow(() =>
          f.vectorLoop(
            width,
            () => {
              f.store(px, f32x4.add(v128.load(px), v128.load(pg)));
              f.increment(px, 16);
              f.increment(pg, 16);
            },
            add,
          ),
        ),
      () => eachRow(() => f.forRange(0, width, 1, add)),
    );
  });

  m.func("patches", { params: { x: "i32", out: "i32", ...GEOMETRY } }, (f, { x, out, ...geometry }) => {
    eachTap(f, x, out, geometry, (tap) => f.call(show, tap));
  });
  m.func("patchesGrad", { params: { g: "i32", dx: "i32", ...GEOMETRY } }, (f, { g, dx, ...geometry }) => {
    eachTap(f, dx, g, geometry, (tap) => f.call(collect, tap));
  });
  const [copyStrip, tiles] = [defineCopyStrip(m, copyRun), defineTapTiles(m)];
  defineCorrelate(m, copyStrip, tiles);
  defineWinograd(m, { copyStrip, copyRun, tiles });
  return m.toBytes();
}

type Int = Local<"i32">;

const GEOMETRY = {
  C: "i32",
  H: "i32",
  W: "i32",
  kh: "i32",
  kw: "i32",
  strideH: "i32",
  strideW: "i32",
  padTop: "i32",
  padLeft: "i32",
  dilationH: "i32",
  dilationW: "i32",
  outH: "i32",
  outW: "i32",
  row: "i32",
} as const;

/** `x` is the first pixel seen, `plane` the first entry of the tap's row of the patches. */
const TAP = {
  x: "i32",
  plane: "i32",
  W: "i32",
  strideH: "i32",
  strideW: "i32",
  top: "i32",
  bottom: "i32",
  left: "i32",
  right: "i32",
  outH: "i32",
  outW: "i32",
} as const;

/** Calls visit for every tap (c, i, j) in order. */
function eachTap(
  f: FunctionBuilder,
  image: Int,
  patches: Int,
  {
    C,
    H,
    W,
    kh,
    kw,
    strideH,
    strideW,
    padTop,
    padLeft,
    dilationH,
    dilationW,
    outH,
    outW,
    row: rowOfPatches,
  }: Record<keyof typeof GEOMETRY, Int>,
  visit: (tap: Record<keyof typeof TAP, Expression<"i32">>) => void,
): void {
  const plane = f.let(patches);
  const channel = f.let(image);
  const planeBytes = f.let(i32.shl(rowOfPatches, 2));
  const channelBytes = f.let(i32.shl(i32.mul(H, W), 2));
  const [top, bottom, left, right] = f.locals("i32", 4);
  const [h, w] = f.locals("i32", 2);
  f.forRange(0, C, 1, () => {
    f.forRange(0, kh, 1, (i) => {
      h.set(i32.sub(i32.mul(i, dilationH), padTop)); // row of the image that output row 0 sees
      seen(f, h, H, strideH, outH, top, bottom);
      f.forRange(0, kw, 1, (j) => {
        w.set(i32.sub(i32.mul(j, dilationW), padLeft));
        seen(f, w, W, strideW, outW, left, right);
        const row = i32.add(h, i32.mul(top, strideH));
        const column = i32.add(w, i32.mul(left, strideW));
        const x = i32.add(channel, i32.shl(i32.add(i32.mul(row, W), column), 2));
        visit({ x, plane, W, strideH, strideW, top, bottom, left, right, outH, outW });
        f.increment(plane, planeBytes);
      });
    });
    f.increment(channel, channelBytes);
  });
}

/** The outputs [start, end) for which `first + output · stride` lies in [0, n). */
function seen(f: FunctionBuilder, first: Int, n: Int, stride: Int, count: Int, start: Int, end: Int): void {
  const least = f.let(i32.divS(i32.sub(i32.sub(stride, 1), first), stride)); // ⌈−first / stride⌉ when positive
  const most = f.let(i32.sub(i32.sub(n, 1), first));
  start.set(i32.minS(f.let(i32.maxS(least, 0)), count));
  most.set(select(i32.ltS(most, 0), i32.const(0), i32.add(i32.divS(most, stride), 1)));
  end.set(i32.maxS(start, f.let(i32.minS(most, count))));
}

function defineZeros(m: ModuleBuilder) {
  return m.internal("zeros", { params: { out: "i32", n: "i32" } }, (f, { out, n }) => {
    const zero = f.let(f32x4.splat(0));
    f.vectorLoop(
      n,
      () => {
        f.store(out, zero);
        f.increment(out, 16);
      },
      () => {
        f.store(out, f32.const(0));
        f.increment(out, 4);
      },
    );
  });
}

function defineCopyRun(m: ModuleBuilder) {
  return m.internal("copyRun", { params: { x: "i32", out: "i32", n: "i32" } }, (f, { x, out, n }) => {
    f.vectorLoop(
      n,
      () => {
        f.store(out, v128.load(x));
        f.increment(x, 16);
        f.increment(out, 16);
      },
      () => {
        f.store(out, f32.load(x));
        f.increment(x, 4);
        f.increment(out, 4);
      },
    );
  });
}
