import { f32, f32x4, f64, f64x2, i32, ModuleBuilder, v128 } from "../assembler/index.ts";
import type { Build, Expression, FunctionBuilder, I32, Local } from "../assembler/index.ts";
import { overColumns, REDUCTION, SHAPE } from "./columns.ts";

type Vector = Local<"v128">;
type Double = Local<"f64">;

/** What every tensor needs, so that a page has all of it anyway. */
export const stream = "tensors";

/** The WebAssembly of the sums. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  sums(m, "sum", { power: 1 });
  sums(m, "sumSquares", { power: 2 });
  sumSquaredDeviations(m);
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

/** Σ (x − m)² − (Σ (x − m))² / n, in doubles. */
function sumSquaredDeviations(m: ModuleBuilder): void {
  const row = m.internal("deviationsRow", { params: { x: "i32", mean: "f64", n: "i32" }, result: "f64" }, (f, { x, mean, n }) => {
    const means = f.let(f64x2.splat(mean));
    const [squares, differences] = [f.locals("v128", 4), f.locals("v128", 4)];
    const [square, difference] = [f.local("f64"), f.local("f64")];
    const d = f.local("v128");
    const d1 = f.local("f64");
    zero(f, [...squares, ...differences]);
    f.vectorLoop(
      n,
      () => {
        for (let i = 0; i < 4; i++) {
          d.set(f64x2.sub(pair(x, 8 * i), means));
          differences[i]!.set(f64x2.add(differences[i]!, d));
          squares[i]!.set(f64x2.add(squares[i]!, f64x2.mul(d, d)));
        }
        f.increment(x, 32);
      },
      () => {
        d1.set(f64.sub(single(x), mean));
        difference.set(f64.add(difference, d1));
        square.set(f64.add(square, f64.mul(d1, d1)));
        f.increment(x, 4);
      },
      8,
    );
    for (const parts of [squares, differences]) parts[0]!.set(f64x2.add(f64x2.add(parts[0]!, parts[1]!), f64x2.add(parts[2]!, parts[3]!)));
    square.set(f64.add(sumOfPair(squares[0]!), square));
    difference.set(f64.add(sumOfPair(differences[0]!), difference));
    f.return(f64.sub(square, f64.div(f64.mul(difference, difference), f64.convertI32S(n))));
  });
  const narrow = m.internal(
    "deviationsColumns4",
    { params: { x: "i32", mean: "i32", out: "i32", n: "i32", stride: "i32" } },
    (f, { x, mean, out, n, stride }) => {
      const means = [f.let(pair(mean, 0)), f.let(pair(mean, 8))];
      const [squares, differences] = [f.locals("v128", 2), f.locals("v128", 2)];
      const d = f.local("v128");
      zero(f, [...squares, ...differences]);
      f.forRange(0, n, 1, () => {
        for (const i of [0, 1]) {
          d.set(f64x2.sub(pair(x, 8 * i), means[i]!));
          differences[i]!.set(f64x2.add(differences[i]!, d));
          squares[i]!.set(f64x2.add(squares[i]!, f64x2.mul(d, d)));
        }
        f.increment(x, stride);
      });
      const count = f.let(f64x2.splat(f64.convertI32S(n)));
      for (const i of [0, 1]) {
        const excess = f64x2.div(f64x2.mul(differences[i]!, differences[i]!), count);
        f.store64Lane(out, f32x4.demoteF64x2Zero(f64x2.sub(squares[i]!, excess)), 0, 8 * i);
      }
    },
  );
  const column = m.internal(
    "deviationsColumn",
    { params: { x: "i32", mean: "i32", out: "i32", n: "i32", stride: "i32" } },
    (f, { x, mean, out, n, stride }) => {
      const center = f.let(single(mean));
      const [square, difference, d] = [f.local("f64"), f.local("f64"), f.local("f64")];
      f.forRange(0, n, 1, () => {
        d.set(f64.sub(single(x), center));
        difference.set(f64.add(difference, d));
        square.set(f64.add(square, f64.mul(d, d)));
        f.increment(x, stride);
      });
      f.store(out, f32.demoteF64(f64.sub(square, f64.div(f64.mul(difference, difference), f64.convertI32S(n)))));
    },
  );

  m.func("sumSquaredDeviations", { params: { x: "i32", mean: "i32", out: "i32", ...SHAPE } }, (f, { x, mean, out, outer, n, inner }) => {
    f.forRange(0, outer, 1, () => {
      f.if(
        i32.eq(inner, 1),
        () => {
          f.store(out, f32.demoteF64(f.call(row, { x, mean: single(mean), n })));
          f.increment(out, 4);
          f.increment(mean, 4);
          f.increment(x, i32.shl(n, 2));
        },
        () => {
          const stride = f.let(i32.shl(inner, 2));
          overColumns(f, inner, (width, at) => {
            const args = (offset: number) => ({
              x: i32.add(x, i32.add(at, offset)),
              mean: i32.add(mean, i32.add(at, offset)),
              out: i32.add(out, i32.add(at, offset)),
              n,
              stride,
            });
            if (width === 1) f.call(column, args(0));
            else for (let offset = 0; offset < width * 4; offset += 16) f.call(narrow, args(offset));
          });
          f.increment(out, stride);
          f.increment(mean, stride);
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
