import { f32, f32x4, f64, f64x2, i32, ModuleBuilder, v128 } from "../assembler/index.ts";
import type { Build, Expression, FunctionBuilder, I32, Local } from "../assembler/index.ts";
import { overColumns, REDUCTION } from "./columns.ts";

type Vector = Local<"v128">;
type Double = Local<"f64">;

/** What every tensor needs, so that a page has all of it anyway. */
export const stream = "tensors";

/** The WebAssembly of the sums. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  sums(m, "sum", { power: 1 });
  sums(m, "sumSquares", { power: 2 });
  cumsum(m);
  return m.toBytes();
}

/** Two neighbouring float32 as doubles. */
const pair = (pointer: I32, offset: number): Expression<"v128"> => f64x2.promoteLowF32x4(v128.load64Zero(pointer, offset));
const single = (pointer: I32): Expression<"f64"> => f64.promoteF32(f32.load(pointer));
const sumOfPair = (vector: Vector): Expression<"f64"> => f64.add(f64x2.extractLane(vector, 0), f64x2.extractLane(vector, 1));

function zero(f: FunctionBuilder, vectors: readonly Vector[]): void {
  for (const vector of vectors) vector.set(f64x2.splat(0));
}

/** Σ xᵖ in doubles: rows by eight elements a turn, columns by sixteen, so that each turn takes a whole cache line. */
function sums(m: ModuleBuilder, name: string, { power }: { power: 1 | 2 }): void {
  const add = (f: FunctionBuilder, sum: Vector, value: Expression<"v128">) => {
    if (power === 1) return sum.set(f64x2.add(sum, value));
    const term = f.let(value);
    sum.set(f64x2.add(sum, f64x2.mul(term, term))); // the square of a float32 is exact
  };
  const addSingle = (f: FunctionBuilder, sum: Double, value: Expression<"f64">) => {
    if (power === 1) return sum.set(f64.add(sum, value));
    const term = f.let(value);
    sum.set(f64.add(sum, f64.mul(term, term)));
  };

  const row = m.internal(`${name}Row`, { params: { x: "i32", n: "i32" }, result: "f64" }, (f, { x, n }) => {
    const parts = f.locals("v128", 4);
    const total = f.local("f64");
    zero(f, parts);
    f.vectorLoop(
      n,
      () => {
        parts.forEach((part, i) => add(f, part, pair(x, 8 * i)));
        f.increment(x, 32);
      },
      () => {
        addSingle(f, total, single(x));
        f.increment(x, 4);
      },
      8,
    );
    parts[0]!.set(f64x2.add(f64x2.add(parts[0]!, parts[1]!), f64x2.add(parts[2]!, parts[3]!)));
    f.return(f64.add(sumOfPair(parts[0]!), total));
  });

  /** `width` columns from `x` on, `n` rows down. */
  const columns = (width: number) =>
    m.internal(`${name}Columns${width}`, { params: { x: "i32", out: "i32", n: "i32", stride: "i32" } }, (f, { x, out, n, stride }) => {
      const parts = f.locals("v128", width / 2);
      zero(f, parts);
      f.forRange(0, n, 1, () => {
        parts.forEach((part, i) => add(f, part, pair(x, 8 * i)));
        f.increment(x, stride);
      });
      parts.forEach((part, i) => f.store64Lane(out, f32x4.demoteF64x2Zero(part), 0, 8 * i));
    });
  const column = m.internal(`${name}Column`, { params: { x: "i32", out: "i32", n: "i32", stride: "i32" } }, (f, { x, out, n, stride }) => {
    const total = f.local("f64");
    f.forRange(0, n, 1, () => {
      addSingle(f, total, single(x));
      f.increment(x, stride);
    });
    f.store(out, f32.demoteF64(total));
  });
  const [wide, narrow] = [columns(16), columns(4)];

  m.func(name, { params: REDUCTION }, (f, { x, out, outer, n, inner }) => {
    f.forRange(0, outer, 1, () => {
      f.if(
        i32.eq(inner, 1),
        () => {
          f.store(out, f32.demoteF64(f.call(row, { x, n })));
          f.increment(out, 4);
          f.increment(x, i32.shl(n, 2));
        },
        () => {
          const stride = f.let(i32.shl(inner, 2));
          overColumns(f, inner, (width, at) => {
            const handle = width === 16 ? wide : width === 4 ? narrow : column;
            f.call(handle, { x: i32.add(x, at), out: i32.add(out, at), n, stride });
          });
          f.increment(out, stride);
          f.increment(x, i32.mul(n, stride));
        },
      );
    });
  });
}

/** Running sums, one column at a time. */
function cumsum(m: ModuleBuilder): void {
  m.func("cumsum", { params: REDUCTION }, (f, { x, out, outer, n, inner }) => {
    const [total, at, to] = [f.local("f64"), f.local("i32"), f.local("i32")];
    const stride = f.let(i32.shl(inner, 2));
    const bytes = f.let(i32.mul(n, stride));
    f.forRange(0, outer, 1, () => {
      f.forRange(0, inner, 1, (j) => {
        total.set(0);
        at.set(i32.add(x, i32.shl(j, 2)));
        to.set(i32.add(out, i32.shl(j, 2)));
        f.forRange(0, n, 1, () => {
          total.set(f64.add(total, single(at)));
          f.store(to, f32.demoteF64(total));
          f.increment(at, stride);
          f.increment(to, stride);
        });
      });
      f.increment(x, bytes);
      f.increment(out, bytes);
    });
  });
}
