import { f32, f32x4, i32, i32x4, ModuleBuilder, select, v128 } from "../assembler/index.ts";
import type { Build, Local } from "../assembler/index.ts";
import { overColumns, REDUCTION } from "../reduce/columns.ts";

type Vector = Local<"v128">;

export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  extremum(m, "max", "argmax");
  extremum(m, "min", "argmin");
  return m.toBytes();
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
