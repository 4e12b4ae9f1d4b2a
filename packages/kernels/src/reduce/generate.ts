import { f32, f32x4, f64, f64x2, i32, i32x4, ModuleBuilder, select, v128 } from "../assembler/index.ts";
import type { Build, Expression, FunctionBuilder, I32, Local } from "../assembler/index.ts";

type Int = Local<"i32">;
type Vector = Local<"v128">;
type Double = Local<"f64">;

const SHAPE = { outer: "i32", n: "i32", inner: "i32" } as const;
const REDUCTION = { x: "i32", out: "i32", ...SHAPE } as const;

/** The WebAssembly of the reductions. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  sums(m, "sum", { power: 1 });
  sums(m, "sumSquares", { power: 2 });
  sumSquaredDeviations(m);
  extremum(m, "max", "argmax");
  extremum(m, "min", "argmin");
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

/**
 * Calls `body(width, byte offset)` for blocks of 16 and 4 columns, the last of which may overlap the one before; for fewer
 * than 4 columns, one by one.
 */
function overColumns(f: FunctionBuilder, inner: Int, body: (width: 16 | 4 | 1, at: Int) => void): void {
  const at = f.local("i32", "at");
  f.if(
    i32.ltS(inner, 4),
    () =>
      f.forRange(0, inner, 1, (j) => {
        at.set(i32.shl(j, 2));
        body(1, at);
      }),
    () => {
      const whole = f.let(i32.and(inner, -16));
      f.forRange(0, whole, 16, (j) => {
        at.set(i32.shl(j, 2));
        body(16, at);
      });
      const last = f.let(i32.sub(inner, 4));
      f.forRange(whole, inner, 4, (j) => {
        at.set(i32.shl(i32.minS(j, last), 2));
        body(4, at);
      });
    },
  );
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

/** Maximum or minimum, and its index. */
function extremum(m: ModuleBuilder, name: "max" | "min", argName: "argmax" | "argmin"): void {
  const start = name === "max" ? -Infinity : Infinity;
  // Taking an element twice changes nothing, so blocks may overlap.
  const [vectors, scalars] = [f32x4[name], f32[name]];
  /** One instruction, where f32x4.max and min are seven; but it forgets a NaN, so those are gathered apart: all ones is a NaN. */
  const take = (best: Vector, nans: Vector, value: Vector) => {
    best.set((name === "max" ? f32x4.pmax : f32x4.pmin)(best, value));
    nans.set(v128.or(nans, f32x4.ne(value, value)));
  };

  const row = m.internal(`${name}Row`, { params: { x: "i32", n: "i32" }, result: "f32" }, (f, { x, n }) => {
    const result = f.let(f32.const(start));
    f.if(
      i32.ltS(n, 4),
      () =>
        f.forRange(0, n, 1, () => {
          result.set(scalars(result, f32.load(x)));
          f.increment(x, 4);
        }),
      () => {
        const parts = f.locals("v128", 4);
        const [nans, value] = f.locals("v128", 2);
        const last = f.let(v128.load(i32.add(x, i32.shl(i32.sub(n, 4), 2))));
        for (const part of parts) part.set(last);
        nans!.set(f32x4.ne(last, last));
        const wide = f.let(i32.and(n, -16));
        f.forRange(0, wide, 16, () => {
          parts.forEach((part, i) => {
            value!.set(v128.load(x, 16 * i));
            take(part, nans!, value!);
          });
          f.increment(x, 64);
        });
        f.forRange(wide, f.let(i32.and(n, -4)), 4, () => {
          value!.set(v128.load(x));
          take(parts[0]!, nans!, value!);
          f.increment(x, 16);
        });
        const best = parts[0]!;
        best.set(vectors(vectors(best, parts[1]!), vectors(parts[2]!, parts[3]!)));
        best.set(v128.or(best, nans!));
        best.set(vectors(best, f32x4.shuffle(best, best, [2, 3, 0, 1])));
        result.set(scalars(f32x4.extractLane(best, 0), f32x4.extractLane(best, 1)));
      },
    );
    f.return(result);
  });

  const columns = (width: number) =>
    m.internal(`${name}Columns${width}`, { params: { x: "i32", out: "i32", n: "i32", stride: "i32" } }, (f, { x, out, n, stride }) => {
      const [parts, nans] = [f.locals("v128", width / 4), f.locals("v128", width / 4)];
      const value = f.local("v128");
      for (const part of parts) part.set(f32x4.splat(start));
      f.forRange(0, n, 1, () => {
        parts.forEach((part, i) => {
          value.set(v128.load(x, 16 * i));
          take(part, nans[i]!, value);
        });
        f.increment(x, stride);
      });
      parts.forEach((part, i) => f.store(out, v128.or(part, nans[i]!), 16 * i));
    });
  const column = m.internal(`${name}Column`, { params: { x: "i32", out: "i32", n: "i32", stride: "i32" } }, (f, { x, out, n, stride }) => {
    const result = f.let(f32.const(start));
    f.forRange(0, n, 1, () => {
      result.set(scalars(result, f32.load(x)));
      f.increment(x, stride);
    });
    f.store(out, result);
  });
  const [wide, narrow] = [columns(16), columns(4)];

  m.func(name, { params: REDUCTION }, (f, { x, out, outer, n, inner }) => {
    f.forRange(0, outer, 1, () => {
      f.if(
        i32.eq(inner, 1),
        () => {
          f.store(out, f.call(row, { x, n }));
          f.increment(out, 4);
          f.increment(x, i32.shl(n, 2));
        },
        () => {
          const stride = f.let(i32.shl(inner, 2));
          overColumns(f, inner, (width, at) => {
            f.call(width === 16 ? wide : width === 4 ? narrow : column, { x: i32.add(x, at), out: i32.add(out, at), n, stride });
          });
          f.increment(out, stride);
          f.increment(x, i32.mul(n, stride));
        },
      );
    });
  });

  /** Where `value` is better than `best`, or the first NaN. */
  const betterLanes = (value: Vector, best: Vector) => {
    const greater = name === "max" ? f32x4.gt(value, best) : f32x4.lt(value, best);
    return v128.or(greater, v128.and(f32x4.ne(value, value), f32x4.eq(best, best)));
  };
  const better = (value: Local<"f32">, best: Local<"f32">) => {
    const greater = name === "max" ? f32.gt(value, best) : f32.lt(value, best);
    return i32.or(greater, i32.and(f32.ne(value, value), f32.eq(best, best)));
  };

  /** In a row: the extremum first, then the first element that equals it (or is NaN). */
  const argRow = m.internal(`${argName}Row`, { params: { x: "i32", n: "i32" }, result: "i32" }, (f, { x, n }) => {
    const most = f.let(f.call(row, { x, n }));
    const mosts = f.let(f32x4.splat(most));
    const [value, values, i] = [f.local("f32"), f.local("v128"), f.local("i32")];
    f.block((found) => {
      f.loop((again) => {
        f.branchIf(found, i32.gtS(i32.add(i, 4), n));
        values.set(v128.load(i32.add(x, i32.shl(i, 2))));
        f.branchIf(found, v128.anyTrue(v128.or(f32x4.eq(values, mosts), f32x4.ne(values, values))));
        f.increment(i, 4);
        f.branch(again);
      });
    });
    f.loop((again) => {
      f.if(i32.geS(i, n), () => f.return(0)); // over none
      value.set(f32.load(i32.add(x, i32.shl(i, 2))));
      f.if(i32.or(f32.eq(value, most), f32.ne(value, value)), () => f.return(i));
      f.increment(i, 1);
      f.branch(again);
    });
  });
  const argColumns = m.internal(
    `${argName}Columns`,
    { params: { x: "i32", out: "i32", n: "i32", stride: "i32" } },
    (f, { x, out, n, stride }) => {
      const [value, mask, index, indices] = [f.local("v128"), f.local("v128"), f.local("v128"), f.local("v128")];
      f.if(i32.gtS(n, 0), () => {
        const best = f.let(v128.load(x));
        const one = f.let(i32x4.splat(1));
        f.forRange(1, n, 1, () => {
          f.increment(x, stride);
          index.set(i32x4.add(index, one));
          value.set(v128.load(x));
          mask.set(betterLanes(value, best));
          best.set(v128.bitselect(value, best, mask));
          indices.set(v128.bitselect(index, indices, mask));
        });
      });
      f.store(out, indices);
    },
  );
  const argColumn = m.internal(
    `${argName}Column`,
    { params: { x: "i32", out: "i32", n: "i32", stride: "i32" } },
    (f, { x, out, n, stride }) => {
      const [value, index, isBetter] = [f.local("f32"), f.local("i32"), f.local("i32")];
      f.if(i32.gtS(n, 0), () => {
        const best = f.let(f32.load(x));
        f.forRange(1, n, 1, (i) => {
          f.increment(x, stride);
          value.set(f32.load(x));
          isBetter.set(better(value, best));
          best.set(select(isBetter, value, best));
          index.set(select(isBetter, i, index));
        });
      });
      f.store(out, index);
    },
  );

  m.func(argName, { params: REDUCTION }, (f, { x, out, outer, n, inner }) => {
    f.forRange(0, outer, 1, () => {
      f.if(
        i32.eq(inner, 1),
        () => {
          f.store(out, f.call(argRow, { x, n }));
          f.increment(out, 4);
          f.increment(x, i32.shl(n, 2));
        },
        () => {
          const stride = f.let(i32.shl(inner, 2));
          overColumns(f, inner, (width, at) => {
            if (width === 1) return f.call(argColumn, { x: i32.add(x, at), out: i32.add(out, at), n, stride });
            for (let offset = 0; offset < width * 4; offset += 16) {
              f.call(argColumns, { x: i32.add(x, i32.add(at, offset)), out: i32.add(out, i32.add(at, offset)), n, stride });
            }
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
