import { f32, i16x8, i32, i32x4, ModuleBuilder, select, v128 } from "../assembler/index.ts";
import type { Build, Expression, FunctionHandle } from "../assembler/index.ts";
import { binary, scalarRow, type Int } from "../binary/rows.ts";

const comparisons = { greater: "gt", greaterEqual: "ge", less: "lt", lessEqual: "le", equal: "eq", notEqual: "ne" } as const;
const intComparisons = { gt: i32.gtS, ge: i32.geS, lt: i32.ltS, le: i32.leS, eq: i32.eq, ne: i32.ne };

const logic: Record<string, (a: Int, b: Int) => Expression<"i32">> = {
  logicalAnd: (a, b) => i32.and(i32.ne(a, 0), i32.ne(b, 0)),
  logicalOr: (a, b) => i32.ne(i32.or(a, b), 0),
  logicalXor: (a, b) => i32.ne(i32.ne(a, 0), i32.ne(b, 0)),
};

export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  for (const [name, operation] of Object.entries(comparisons)) {
    const real = f32[operation];
    binary(
      m,
      name,
      2,
      0,
      scalarRow(m, name, 2, f32.load, (f, out, a, b) => f.store8(out, real(a, b)), 0),
    );
    const int = intComparisons[operation];
    binary(
      m,
      `${name}Int`,
      2,
      0,
      scalarRow(m, `${name}Int`, 2, i32.load, (f, out, a, b) => f.store8(out, int(a, b)), 0),
    );
  }
  for (const [name, one] of Object.entries(logic)) {
    binary(
      m,
      name,
      0,
      0,
      scalarRow(m, name, 0, i32.load8U, (f, out, a, b) => f.store8(out, one(a, b)), 0),
    );
  }

  const words = whereWordsRow(m);
  where(m, "where", 2, words);
  where(m, "whereInt", 2, words);
  where(m, "whereBytes", 0, whereBytesRow(m));

  m.func("logicalNot", { params: { x: "i32", out: "i32", n: "i32" } }, (f, { x, out, n }) => {
    f.forRange(0, n, 1, (i) => f.store8(i32.add(out, i), i32.eqz(i32.load8U(i32.add(x, i)))));
  });
  return m.toBytes();
}

const WHERE = {
  cond: "i32",
  cOuter: "i32",
  cInner: "i32",
  a: "i32",
  aOuter: "i32",
  aInner: "i32",
  b: "i32",
  bOuter: "i32",
  bInner: "i32",
  out: "i32",
  outer: "i32",
  inner: "i32",
} as const;
const WHERE_ROW = { cond: "i32", cInner: "i32", a: "i32", aInner: "i32", b: "i32", bInner: "i32", out: "i32", n: "i32" } as const;

function where(m: ModuleBuilder, name: string, shift: number, row: FunctionHandle<typeof WHERE_ROW, undefined>): void {
  m.func(name, { params: WHERE }, (f, { cond, cOuter, cInner, a, aOuter, aInner, b, bOuter, bInner, out, outer, inner }) => {
    f.if(i32.eqz(inner), () => f.return());
    f.forRange(0, outer, 1, () => {
      f.call(row, { cond, cInner, a, aInner, b, bInner, out, n: inner });
      f.increment(cond, cOuter);
      f.increment(a, i32.shl(aOuter, shift));
      f.increment(b, i32.shl(bOuter, shift));
      f.increment(out, i32.shl(inner, shift));
    });
  });
}

/** Words of any meaning: bits are moved, so a NaN keeps its payload. */
function whereWordsRow(m: ModuleBuilder): FunctionHandle<typeof WHERE_ROW, undefined> {
  return m.internal("whereWordsRow", { params: WHERE_ROW }, (f, { cond, cInner, a, aInner, b, bInner, out, n }) => {
    const zero = f.let(i32x4.splat(0));
    const [flags, x, y] = [f.local("v128"), f.local("v128"), f.local("v128")];
    flags.set(v128.load8Splat(cond));
    flags.set(i32x4.ne(flags, zero));
    x.set(v128.load32Splat(a));
    y.set(v128.load32Splat(b));
    f.vectorLoop(
      n,
      () => {
        f.if(cInner, () => flags.set(i32x4.ne(i32x4.extendLowI16x8U(i16x8.extendLowI8x16U(v128.load32Zero(cond))), zero)));
        f.if(aInner, () => x.set(v128.load(a)));
        f.if(bInner, () => y.set(v128.load(b)));
        f.store(out, v128.bitselect(x, y, flags));
        f.increment(cond, i32.shl(cInner, 2));
        f.increment(a, i32.shl(aInner, 4));
        f.increment(b, i32.shl(bInner, 4));
        f.increment(out, 16);
      },
      () => {
        f.store(out, select(i32.load8U(cond), i32.load(a), i32.load(b)));
        f.increment(cond, cInner);
        f.increment(a, i32.shl(aInner, 2));
        f.increment(b, i32.shl(bInner, 2));
        f.increment(out, 4);
      },
    );
  });
}

function whereBytesRow(m: ModuleBuilder): FunctionHandle<typeof WHERE_ROW, undefined> {
  return m.internal("whereBytesRow", { params: WHERE_ROW }, (f, { cond, cInner, a, aInner, b, bInner, out, n }) => {
    f.forRange(0, n, 1, () => {
      f.store8(out, select(i32.load8U(cond), i32.load8U(a), i32.load8U(b)));
      f.increment(cond, cInner);
      f.increment(a, aInner);
      f.increment(b, bInner);
      f.increment(out, 1);
    });
  });
}
