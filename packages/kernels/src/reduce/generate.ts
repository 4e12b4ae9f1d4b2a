import { f32, f32x4, f64, i32, ModuleBuilder, v128 } from "../assembler/index.ts";
import type { Build, Expression, FunctionBuilder, Local, V128 } from "../assembler/index.ts";
import { sumRow, type Update } from "../building-blocks/row.ts";

type Int = Local<"i32">;
type Vector = Local<"v128">;

const SHAPE = { outer: "i32", n: "i32", inner: "i32" } as const;
const PARAMS = { x: "i32", out: "i32", ...SHAPE } as const;

/** Elements of a row that are added up in float32 before their sum joins a float64 total. */
const SEGMENT = 1024;
/** Rows, at least, that columns are added over before the sum joins the result; √n of them balance the two roundings. */
const BLOCK = 64;

/** The WebAssembly of the reductions. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  defineSum(m, "sum", () => (value, total) => f32x4.add(total, value));
  defineSum(m, "sumSquares", (f) => (value, total) => f.madd(value, value, total));
  defineDeviations(m);
  defineExtremum(m, "max", -Infinity, f32x4.max, f32.max);
  defineExtremum(m, "min", Infinity, f32x4.min, f32.min);
  defineWhere(m, "argmax", f32.gt);
  defineWhere(m, "argmin", f32.lt);
  defineCumsum(m);
  return m.toBytes();
}

function defineSum(m: ModuleBuilder, name: string, step: (f: FunctionBuilder) => (value: Vector, total: Vector) => V128): void {
  m.func(name, { params: PARAMS }, (f, { x, out, outer, n, inner }) => {
    const add = step(f);
    f.if(i32.eq(inner, 1), () => {
      f.forRange(0, outer, 1, () => {
        f.store(out, rowTotal(f, n, x, ([value], [total]) => [add(value, total)]));
        f.increment(out, 4);
      });
      f.return();
    });
    columnTotals(f, { x, out, outer, n, inner }, (_at) => add);
  });
}

function defineDeviations(m: ModuleBuilder): void {
  m.func("sumSquaredDeviations", { params: { x: "i32", mean: "i32", out: "i32", ...SHAPE } }, (f, { x, mean, out, outer, n, inner }) => {
    const centres = f.local("v128");
    const away = f.local("v128");
    const square = (value: Vector, total: Vector): V128 => {
      away.set(f32x4.sub(value, centres));
      return f.madd(away, away, total);
    };
    f.if(i32.eq(inner, 1), () => {
      f.forRange(0, outer, 1, () => {
        centres.set(v128.load32Splat(mean));
        f.store(out, rowTotal(f, n, x, ([value], [total]) => [square(value, total)]));
        f.increment(out, 4);
        f.increment(mean, 4);
      });
      f.return();
    });
    const offset = f.let(i32.sub(mean, out));
    columnTotals(f, { x, out, outer, n, inner }, (at, load) => {
      centres.set(load(i32.add(at, offset)));
      return square;
    });
  });
}

/** A sum over n contiguous elements from x, which moves past them: float32 within segments, float64 over them. */
function rowTotal(f: FunctionBuilder, n: Int, x: Int, update: Update): Expression<"f32"> {
  const total = f.local("f64");
  const [left, length] = f.locals("i32", 2);
  total.set(0);
  left.set(n);
  f.block((done) => {
    f.branchIf(done, i32.leS(left, 0));
    f.loop((again) => {
      length.set(i32.minS(SEGMENT, left));
      const [sum] = sumRow(f, length, [x], 1, update);
      total.set(f64.add(total, f64.promoteF32(sum)));
      f.increment(x, i32.shl(length, 2));
      left.set(i32.sub(left, length));
      f.branchIf(again, i32.gtS(left, 0));
    });
  });
  return f32.demoteF64(total);
}

interface Columns {
  readonly x: Int;
  readonly out: Int;
  readonly outer: Int;
  readonly n: Int;
  readonly inner: Int;
}

/** Sums of columns: four at a time over a block of rows, then one by one in the first lane. `prepare` runs before each block. */
function columnTotals(
  f: FunctionBuilder, { x, out, outer, n, inner }: Columns,
  prepare: (out: Int, load: (pointer: ReturnType<typeof i32.add>) => V128) => (value: Vector, total: Vector) => V128,
): void {
  const rowBytes = f.let(i32.shl(inner, 2));
  const [first, rows, at, from] = f.locals("i32", 4);
  const [value, total] = f.locals("v128", 2);
  const block = f.let(i32.truncF32S(f32.sqrt(f32.convertI32S(n))));
  block.set(i32.maxS(block, BLOCK));
  f.forRange(0, outer, 1, () => {
    f.memoryFill(out, 0, rowBytes);
    first.set(0);
    f.block((done) => {
      f.branchIf(done, i32.leS(n, 0));
      f.loop((again) => {
        rows.set(i32.sub(n, first));
        rows.set(i32.minS(rows, block));
        at.set(out);
        const column = f.let(x);
        const turn = (load: (pointer: V128Pointer) => V128, finish: () => void, bytes: number) => {
          const add = prepare(at, load);
          total.set(f32x4.splat(0));
          from.set(column);
          f.forRange(0, rows, 1, () => {
            value.set(load(from));
            total.set(add(value, total));
            from.set(i32.add(from, rowBytes));
          });
          finish();
          f.increment(at, bytes);
          f.increment(column, bytes);
        };
        f.vectorLoop(
          inner,
          () => turn((pointer) => v128.load(pointer), () => f.store(at, f32x4.add(v128.load(at), total)), 16),
          () => turn((pointer) => v128.load32Zero(pointer), () => f.store32Lane(at, f.let(f32x4.add(v128.load32Zero(at), total)), 0), 4),
        );
        x.set(i32.add(x, i32.mul(rows, rowBytes)));
        first.set(i32.add(first, rows));
        f.branchIf(again, i32.ltS(first, n));
      });
    });
    f.increment(out, rowBytes);
  });
}

type V128Pointer = Parameters<typeof v128.load>[0];

function defineExtremum(m: ModuleBuilder, name: string, start: number, wide: typeof f32x4.max, narrow: typeof f32.max): void {
  m.func(name, { params: PARAMS }, (f, { x, out, outer, n, inner }) => {
    const best = f.local("v128");
    const rowBytes = f.let(i32.shl(inner, 2));
    f.if(i32.eq(inner, 1), () => {
      const single = f.local("f32");
      f.forRange(0, outer, 1, () => {
        best.set(f32x4.splat(start));
        f.vectorLoop(
          n,
          () => {
            best.set(wide(best, v128.load(x)));
            f.increment(x, 16);
          },
          () => {
            best.set(wide(best, v128.load32Splat(x)));
            f.increment(x, 4);
          },
        );
        single.set(f32x4.extractLane(best, 0));
        for (const lane of [1, 2, 3]) single.set(narrow(single, f32x4.extractLane(best, lane)));
        f.store(out, single);
        f.increment(out, 4);
      });
      f.return();
    });
    const from = f.local("i32");
    f.forRange(0, outer, 1, () => {
      const turn = (load: (pointer: V128Pointer) => V128, store: () => void, bytes: number) => {
        best.set(f32x4.splat(start));
        from.set(x);
        f.forRange(0, n, 1, () => {
          best.set(wide(best, load(from)));
          from.set(i32.add(from, rowBytes));
        });
        store();
        f.increment(out, bytes);
        f.increment(x, bytes);
      };
      f.vectorLoop(
        inner,
        () => turn((pointer) => v128.load(pointer), () => f.store(out, best), 16),
        () => turn((pointer) => v128.load32Splat(pointer), () => f.store32Lane(out, best, 0), 4),
      );
      x.set(i32.add(x, i32.mul(i32.sub(n, 1), rowBytes)));
    });
  });
}

function defineWhere(m: ModuleBuilder, name: string, better: typeof f32.gt): void {
  m.func(name, { params: PARAMS }, (f, { x, out, outer, n, inner }) => {
    const rowBytes = f.let(i32.shl(inner, 2));
    const [from, at] = f.locals("i32", 2);
    const [best, value] = f.locals("f32", 2);
    f.forRange(0, outer, 1, () => {
      f.forRange(0, inner, 1, () => {
        at.set(0);
        best.set(f32.load(x));
        from.set(x);
        f.forRange(1, n, 1, (k) => {
          from.set(i32.add(from, rowBytes));
          value.set(f32.load(from));
          f.if(i32.and(f32.eq(best, best), i32.or(better(value, best), f32.ne(value, value))), () => {
            best.set(value);
            at.set(k);
          });
        });
        f.store(out, at);
        f.increment(out, 4);
        f.increment(x, 4);
      });
      x.set(i32.add(x, i32.mul(i32.sub(n, 1), rowBytes)));
    });
  });
}

function defineCumsum(m: ModuleBuilder): void {
  m.func("cumsum", { params: PARAMS }, (f, { x, out, outer, n, inner }) => {
    const rowBytes = f.let(i32.shl(inner, 2));
    const block = f.let(i32.mul(n, rowBytes));
    const [from, to] = f.locals("i32", 2);
    const sum = f.local("f64");
    f.forRange(0, outer, 1, () => {
      f.forRange(0, rowBytes, 4, (column) => {
        from.set(i32.add(x, column));
        to.set(i32.add(out, column));
        sum.set(0);
        f.forRange(0, n, 1, () => {
          sum.set(f64.add(sum, f64.promoteF32(f32.load(from))));
          f.store(to, f32.demoteF64(sum));
          from.set(i32.add(from, rowBytes));
          to.set(i32.add(to, rowBytes));
        });
      });
      f.increment(x, block);
      f.increment(out, block);
    });
  });
}
