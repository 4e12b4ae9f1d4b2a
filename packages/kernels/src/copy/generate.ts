import { f32, f32x4, i32, i64, ModuleBuilder, v128 } from "../assembler/index.ts";
import type { Build, Expression, FunctionBuilder, FunctionHandle, I32, Local } from "../assembler/index.ts";

// A box is first brought into a shape that can be copied fast, by exchanging axes (the order of the loops is free):
//   runs        both sides contiguous along axis 3       → vectors, or memory.copy when long
//   broadcasts  x constant, out contiguous along axis 3  → vectors
//   transpose   x contiguous along axis 2, out along 3   → blocks of 4 × 4 (items of four bytes)
//   items       anything else                            → one by one
// The loops over axes 0 and 1 are common; axes 2 and 3 are a function of their own, a "plane", with strides in bytes.

/** What every tensor needs, so that a page has all of it anyway. */
export const stream = "tensors";

/** The WebAssembly of the copy family. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const runs = defineRuns(m);
  const items = SIZES.map((size) => definePlane(m, `items${size}`, (f, x, out) => moveItem(f, size, x, out)));
  const broadcasts = SIZES.map((size) => defineBroadcasts(m, size));
  const transpose = defineTranspose(m, items[SIZES.indexOf(4)]);
  const copyBox = defineCopyBox(m, { runs, broadcasts, items, transpose });
  for (const size of SIZES) m.func(`copy${size}`, { params: BOX }, (f, box) => f.call(copyBox, { ...box, size }));
  defineAddCopy(m);
  m.func("fill", { params: { out: "i32", n: "i32", value: "f32" } }, (f, { out, n, value }) => {
    const values = f.let(f32x4.splat(value));
    const p = f.let(i32.add(out, 0));
    f.vectorLoop(
      n,
      () => {
        f.store(p, values);
        f.increment(p, 16);
      },
      () => {
        f.store(p, value);
        f.increment(p, 4);
      },
    );
  });
  m.func("fillInt", { params: { out: "i32", n: "i32", value: "i32" } }, (f, { out, n, value }) => {
    f.forRange(0, n, 1, () => {
      f.store(out, value);
      f.increment(out, 4);
    });
  });
  m.func("fillBytes", { params: { out: "i32", n: "i32", value: "i32" } }, (f, { out, n, value }) => f.memoryFill(out, value, n));
  return m.toBytes();
}

const SIZES = [1, 2, 4, 8] as const;
type Size = (typeof SIZES)[number];
type Int = Local<"i32">;

const BOX = {
  x: "i32",
  out: "i32",
  n0: "i32",
  n1: "i32",
  n2: "i32",
  n3: "i32",
  s0: "i32",
  s1: "i32",
  s2: "i32",
  s3: "i32",
  o0: "i32",
  o1: "i32",
  o2: "i32",
  o3: "i32",
} as const;
const PLANE = { x: "i32", out: "i32", n2: "i32", n3: "i32", s2: "i32", s3: "i32", o2: "i32", o3: "i32" } as const;
type Plane = FunctionHandle<typeof PLANE, undefined>;

/** The copy of a box of items of `size` bytes, which chooses the plane. `broadcasts` and `items` are in the order of `SIZES`. */
function defineCopyBox(m: ModuleBuilder, planes: { runs: Plane; broadcasts: Plane[]; items: Plane[]; transpose: Plane }) {
  return m.internal("copyBox", { params: { ...BOX, size: "i32" } }, (f, { size, ...box }) => {
    const { n, s, o } = axesOf(box);
    const swap = (a: number, b: number) => [n, s, o].forEach((values) => exchange(f, values[a], values[b]));
    /** Brings the first of these axes that has more than one item and meets the condition to the place of `target`. */
    const bring = ([axis, ...others]: number[], target: number, condition: (axis: number) => I32): void => {
      const found = i32.and(i32.gtS(n[axis], 1), condition(axis));
      f.if(found, () => swap(axis, target), others.length > 0 ? () => bring(others, target, condition) : undefined);
    };

    f.if(i32.eq(n[3], 1), () => {
      s[3].set(0); // a lone item is contiguous with nothing
      o[3].set(0);
    });
    f.if(i32.eqz(contiguous(s[3], o[3])), () => bring([2, 1, 0], 3, (axis) => contiguous(s[axis], o[axis])));
    f.if(i32.ne(o[3], 1), () => bring([2, 1, 0], 3, (axis) => i32.eq(o[axis], 1)));
    f.if(i32.and(i32.ne(s[3], 1), i32.ne(s[2], 1)), () => bring([1, 0], 2, (axis) => i32.eq(s[axis], 1)));

    f.if(contiguous(s[3], o[3]), () => {
      for (const axis of [2, 1, 0]) {
        // Rows that follow one another on both sides are one longer row.
        const follows = i32.and(i32.eq(s[axis], n[3]), i32.eq(o[axis], n[3]));
        f.if(follows, () => {
          n[3].set(i32.mul(n[3], n[axis]));
          n[axis].set(1);
        });
      }
      f.if(i32.eq(n[2], 1), () => swap(1, 2));
    });

    const run = (plane: Plane) =>
      overPlanes(f, box, (x, out) => f.call(plane, { x, out, n2: n[2], n3: n[3], s2: s[2], s3: s[3], o2: o[2], o3: o[3] }));
    const isRun = f.let(contiguous(s[3], o[3]));
    const isBroadcast = f.let(i32.and(i32.eqz(s[3]), i32.eq(o[3], 1)));
    const isTransposed = f.let(contiguous(s[2], o[3]));
    for (const stride of [...s, ...o]) stride.set(i32.mul(stride, size));
    /** Runs the plane for the size, and returns. */
    const runForSize = (ofSize: Plane[]) =>
      ofSize.forEach((plane, i) =>
        f.if(i32.eq(size, SIZES[i]), () => {
          run(plane);
          f.return();
        }),
      );
    f.if(isRun, () => {
      n[3].set(i32.mul(n[3], size));
      run(planes.runs);
      f.return();
    });
    f.if(isBroadcast, () => runForSize(planes.broadcasts));
    f.if(i32.and(isTransposed, i32.eq(size, 4)), () => {
      run(planes.transpose);
      f.return();
    });
    runForSize(planes.items);
  });
}

function axesOf(box: Record<keyof typeof BOX, Int>): { n: Int[]; s: Int[]; o: Int[] } {
  return { n: [box.n0, box.n1, box.n2, box.n3], s: [box.s0, box.s1, box.s2, box.s3], o: [box.o0, box.o1, box.o2, box.o3] };
}

const contiguous = (s: I32, o: I32) => i32.and(i32.eq(s, 1), i32.eq(o, 1));

function exchange(f: FunctionBuilder, a: Int, b: Int): void {
  const kept = f.let(i32.add(a, 0));
  a.set(b);
  b.set(kept);
}

/** Calls visit(x, out) at the first item of every plane of axes 2 and 3; strides are in bytes. Nothing happens when n2 or n3 is 0. */
function overPlanes(f: FunctionBuilder, box: Record<keyof typeof BOX, Int>, visit: (x: Int, out: Int) => void): void {
  const { n, s, o } = axesOf(box);
  const x = f.local("i32", "x of plane");
  const out = f.local("i32", "out of plane");
  f.if(i32.and(i32.gtS(n[2], 0), i32.gtS(n[3], 0)), () => {
    f.forRange(0, n[0], 1, (i0) => {
      x.set(i32.add(box.x, i32.mul(i0, s[0])));
      out.set(i32.add(box.out, i32.mul(i0, o[0])));
      f.forRange(0, n[1], 1, () => {
        visit(x, out);
        f.increment(x, s[1]);
        f.increment(out, o[1]);
      });
    });
  });
}

/** A plane whose items are treated one by one, in order. */
function definePlane(m: ModuleBuilder, name: string, item: (f: FunctionBuilder, x: Int, out: Int) => void): Plane {
  return m.internal(name, { params: PLANE }, (f, { x, out, n2, n3, s2, s3, o2, o3 }) => {
    const px = f.local("i32");
    const po = f.local("i32");
    f.forRange(0, n2, 1, () => {
      px.set(x);
      po.set(out);
      f.forRange(0, n3, 1, () => {
        item(f, px, po);
        f.increment(px, s3);
        f.increment(po, o3);
      });
      f.increment(x, s2);
      f.increment(out, o2);
    });
  });
}

function moveItem(f: FunctionBuilder, size: Size, x: Int, out: Int): void {
  if (size === 1) f.store8(out, i32.load8U(x));
  else if (size === 2) f.store16(out, i32.load16U(x));
  else if (size === 4) f.store(out, i32.load(x));
  else f.store(out, i64.load(x));
}

/** From here memory.copy, a call into the engine, is faster than a loop of vectors. */
const LONG_RUN = 2048;

/** n2 runs of n3 bytes. */
function defineRuns(m: ModuleBuilder): Plane {
  return m.internal("runs", { params: PLANE }, (f, { x, out, n2, n3, s2, o2 }) => {
    const rows = (body: () => void) =>
      f.forRange(0, n2, 1, () => {
        body();
        f.increment(x, s2);
        f.increment(out, o2);
      });
    f.if(i32.geU(n3, LONG_RUN), () => {
      rows(() => f.memoryCopy(out, x, n3));
      f.return();
    });
    const last = f.let(i32.sub(n3, 16));
    f.if(i32.geS(last, 0), () => {
      rows(() => {
        f.forRange(0, last, 16, (at) => f.store(i32.add(out, at), v128.load(i32.add(x, at))));
        f.store(i32.add(out, last), v128.load(i32.add(x, last))); // overlaps the vector before
      });
      f.return();
    });
    const words = f.let(i32.and(n3, -4));
    rows(() => {
      f.forRange(0, words, 4, (at) => f.store(i32.add(out, at), i32.load(i32.add(x, at))));
      f.forRange(words, n3, 1, (at) => f.store8(i32.add(out, at), i32.load8U(i32.add(x, at))));
    });
  });
}

/** n2 rows of n3 equal items. */
function defineBroadcasts(m: ModuleBuilder, size: Size): Plane {
  const splat: (x: I32) => Expression<"v128"> = { 1: v128.load8Splat, 2: v128.load16Splat, 4: v128.load32Splat, 8: v128.load64Splat }[size];
  return m.internal(`broadcasts${size}`, { params: PLANE }, (f, { x, out, n2, n3, s2, o2 }) => {
    const item = f.local("v128");
    const po = f.local("i32");
    f.forRange(0, n2, 1, () => {
      item.set(splat(x));
      po.set(out);
      f.vectorLoop(
        n3,
        () => {
          f.store(po, item);
          f.increment(po, 16);
        },
        () => {
          moveItem(f, size, x, po);
          f.increment(po, size);
        },
        16 / size,
      );
      f.increment(x, s2);
      f.increment(out, o2);
    });
  });
}

/** Rows of x that are visited before the next columns are: few enough that their cache lines are still in L1 then, at any stride. */
const TRANSPOSE_TILE = 16;

/** out[i2, i3] = x[i3, i2], both contiguous along their last axis; items of four bytes. */
function defineTranspose(m: ModuleBuilder, items: Plane): Plane {
  return m.internal("transpose", { params: PLANE }, (f, { x, out, n2, n3, s2, s3, o2, o3 }) => {
    const whole2 = f.let(i32.and(n2, -4));
    const whole3 = f.let(i32.and(n3, -4));
    const s3Twice = f.let(i32.shl(s3, 1));
    const s3Thrice = f.let(i32.add(s3, s3Twice));
    const o2Twice = f.let(i32.shl(o2, 1));
    const o2Thrice = f.let(i32.add(o2, o2Twice));
    const end = f.local("i32");
    const px = f.local("i32");
    const po = f.local("i32");
    const a = f.locals("v128", 4);
    const b = f.locals("v128", 4);
    f.forRange(0, whole3, TRANSPOSE_TILE, (tile) => {
      end.set(i32.add(tile, TRANSPOSE_TILE));
      end.set(i32.minS(end, whole3));
      f.forRange(0, whole2, 4, (i2) => {
        px.set(i32.add(i32.add(x, i32.shl(i2, 2)), i32.mul(tile, s3)));
        po.set(i32.add(i32.add(out, i32.mul(i2, o2)), i32.shl(tile, 2)));
        f.forRange(tile, end, 4, () => {
          a[0].set(v128.load(px));
          a[1].set(v128.load(i32.add(px, s3)));
          a[2].set(v128.load(i32.add(px, s3Twice)));
          a[3].set(v128.load(i32.add(px, s3Thrice)));
          b[0].set(f32x4.shuffle(a[0], a[1], [0, 4, 1, 5]));
          b[1].set(f32x4.shuffle(a[2], a[3], [0, 4, 1, 5]));
          b[2].set(f32x4.shuffle(a[0], a[1], [2, 6, 3, 7]));
          b[3].set(f32x4.shuffle(a[2], a[3], [2, 6, 3, 7]));
          f.store(po, f32x4.shuffle(b[0], b[1], [0, 1, 4, 5]));
          f.store(i32.add(po, o2), f32x4.shuffle(b[0], b[1], [2, 3, 6, 7]));
          f.store(i32.add(po, o2Twice), f32x4.shuffle(b[2], b[3], [0, 1, 4, 5]));
          f.store(i32.add(po, o2Thrice), f32x4.shuffle(b[2], b[3], [2, 3, 6, 7]));
          f.increment(px, i32.shl(s3, 2));
          f.increment(po, 16);
        });
      });
    });
    // What is left of 4 × 4 blocks: the last columns of out, then its last rows.
    f.call(items, {
      x: i32.add(x, i32.mul(whole3, s3)),
      out: i32.add(out, i32.mul(whole3, o3)),
      n2: whole2,
      n3: i32.sub(n3, whole3),
      s2,
      s3,
      o2,
      o3,
    });
    f.call(items, {
      x: i32.add(x, i32.mul(whole2, s2)),
      out: i32.add(out, i32.mul(whole2, o2)),
      n2: i32.sub(n2, whole2),
      n3,
      s2,
      s3,
      o2,
      o3,
    });
  });
}

/** out += x. The axes stay where they are, since their order decides in which order items of `out` with stride 0 add up. */
function defineAddCopy(m: ModuleBuilder): void {
  const addItem = (f: FunctionBuilder, x: Int, out: Int) => f.store(out, f32.add(f32.load(out), f32.load(x)));
  const items = definePlane(m, "addItems", addItem);
  const runs = m.internal("addRuns", { params: PLANE }, (f, { x, out, n2, n3, s2, o2 }) => {
    const px = f.local("i32");
    const po = f.local("i32");
    f.forRange(0, n2, 1, () => {
      px.set(x);
      po.set(out);
      f.vectorLoop(
        n3,
        () => {
          f.store(po, f32x4.add(v128.load(po), v128.load(px)));
          f.increment(px, 16);
          f.increment(po, 16);
        },
        () => {
          addItem(f, px, po);
          f.increment(px, 4);
          f.increment(po, 4);
        },
      );
      f.increment(x, s2);
      f.increment(out, o2);
    });
  });
  m.func("addCopy", { params: BOX }, (f, box) => {
    const { n, s, o } = axesOf(box);
    const isRun = f.let(contiguous(s[3], o[3]));
    for (const stride of [...s, ...o]) stride.set(i32.shl(stride, 2));
    const run = (plane: Plane) =>
      overPlanes(f, box, (x, out) => f.call(plane, { x, out, n2: n[2], n3: n[3], s2: s[2], s3: s[3], o2: o[2], o3: o[3] }));
    f.if(
      isRun,
      () => run(runs),
      () => run(items),
    );
  });
}
