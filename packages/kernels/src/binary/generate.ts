import { f32, f32x4, i16x8, i32, i32x4, ModuleBuilder, select, v128 } from "../assembler/index.ts";
import type { Build, Expression, FunctionBuilder, FunctionHandle, I32, Local } from "../assembler/index.ts";
import { Constants, elementLoop, powBlock, tails } from "../building-blocks/index.ts";
import type { Tails } from "../building-blocks/index.ts";

type Int = Local<"i32">;
type Vector = Local<"v128">;

const reals: Record<string, (k: Constants) => (a: Vector, b: Vector) => Expression<"v128">> = {
  add: () => f32x4.add,
  sub: () => f32x4.sub,
  mul: () => f32x4.mul,
  div: () => f32x4.div,
  maximum: () => f32x4.max, // unlike pmax it keeps a NaN of either side
  minimum: () => f32x4.min,
  pow: powBlock,
};

const integers: Record<string, (a: Int, b: Int) => Expression<"i32">> = {
  addInt: i32.add,
  subInt: i32.sub,
  mulInt: i32.mul,
  maximumInt: i32.maxS,
  minimumInt: i32.minS,
};

const comparisons = { greater: "gt", greaterEqual: "ge", less: "lt", lessEqual: "le", equal: "eq", notEqual: "ne" } as const;
const intComparisons = { gt: i32.gtS, ge: i32.geS, lt: i32.ltS, le: i32.leS, eq: i32.eq, ne: i32.ne };

const logic: Record<string, (a: Int, b: Int) => Expression<"i32">> = {
  logicalAnd: (a, b) => i32.and(i32.ne(a, 0), i32.ne(b, 0)),
  logicalOr: (a, b) => i32.ne(i32.or(a, b), 0),
  logicalXor: (a, b) => i32.ne(i32.ne(a, 0), i32.ne(b, 0)),
};

const BINARY = {
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
const ROW = { a: "i32", aInner: "i32", b: "i32", bInner: "i32", out: "i32", n: "i32" } as const;

export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const tail = tails(m);

  for (const [name, prepare] of Object.entries(reals)) binary(m, name, 2, 2, realRow(m, name, tail, prepare));
  for (const [name, one] of Object.entries(integers)) {
    binary(
      m,
      name,
      2,
      2,
      scalarRow(m, name, 2, i32.load, (f, out, a, b) => f.store(out, one(a, b)), 2),
    );
  }
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
  m.func("axpy", { params: { x: "i32", y: "i32", n: "i32", alpha: "f32" } }, (f, { x, y, n, alpha }) => {
    const factor = f.let(f32x4.splat(alpha));
    elementLoop(f, tail, [x, y], y, n, (a, b) => f.madd(a!, factor, b!));
  });
  return m.toBytes();
}

/** Runs a row function over the outer axis; `shift` and `outShift` are log₂ of the bytes of an item. */
function binary(m: ModuleBuilder, name: string, shift: number, outShift: number, row: FunctionHandle<typeof ROW, undefined>): void {
  m.func(name, { params: BINARY }, (f, { a, aOuter, aInner, b, bOuter, bInner, out, outer, inner }) => {
    f.if(i32.eqz(inner), () => f.return()); // a row function reads its operands before it counts
    f.forRange(0, outer, 1, () => {
      f.call(row, { a, aInner, b, bInner, out, n: inner });
      f.increment(a, i32.shl(aOuter, shift));
      f.increment(b, i32.shl(bOuter, shift));
      f.increment(out, i32.shl(inner, outShift));
    });
  });
}

/** One loop for each of the ways in which the row's operands move or stand still. */
function realRow(m: ModuleBuilder, name: string, tail: Tails, prepare: (typeof reals)[string]): FunctionHandle<typeof ROW, undefined> {
  return m.internal(`${name}Row`, { params: ROW }, (f, { a, aInner, b, bInner, out, n }) => {
    const one = prepare(new Constants(f));
    f.if(
      aInner,
      () =>
        f.if(
          bInner,
          () => elementLoop(f, tail, [a, b], out, n, (x, y) => one(x!, y!)),
          () => {
            const constant = f.let(v128.load32Splat(b));
            elementLoop(f, tail, [a], out, n, (x) => one(x!, constant));
          },
        ),
      () => {
        const constant = f.let(v128.load32Splat(a));
        f.if(
          bInner,
          () => elementLoop(f, tail, [b], out, n, (y) => one(constant, y!)),
          () => {
            const other = f.let(v128.load32Splat(b));
            elementLoop(f, tail, [], out, n, () => one(constant, other));
          },
        );
      },
    );
  });
}

/** One element at a time. */
function scalarRow<T extends "i32" | "f32">(
  m: ModuleBuilder,
  name: string,
  shift: number,
  load: (pointer: I32) => Expression<T>,
  store: (f: FunctionBuilder, out: Int, a: Local<T>, b: Local<T>) => void,
  outShift: number,
): FunctionHandle<typeof ROW, undefined> {
  return m.internal(`${name}Row`, { params: ROW }, (f, { a, aInner, b, bInner, out, n }) => {
    const [aStep, bStep] = [f.let(i32.shl(aInner, shift)), f.let(i32.shl(bInner, shift))];
    f.forRange(0, n, 1, () => {
      const [x, y] = [f.let(load(a)), f.let(load(b))];
      store(f, out, x, y);
      f.increment(a, aStep);
      f.increment(b, bStep);
      f.increment(out, 1 << outShift);
    });
  });
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
