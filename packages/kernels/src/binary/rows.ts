import { i32, v128 } from "../assembler/index.ts";
import type { Expression, FunctionBuilder, FunctionHandle, I32, Local, ModuleBuilder } from "../assembler/index.ts";
import { Constants, elementLoop } from "../building-blocks/index.ts";
import type { Tails } from "../building-blocks/index.ts";

export type Int = Local<"i32">;
type Vector = Local<"v128">;

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

/** Runs a row function over the outer axis; `shift` and `outShift` are log₂ of the bytes of an item. */
export function binary(m: ModuleBuilder, name: string, shift: number, outShift: number, row: FunctionHandle<typeof ROW, undefined>): void {
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
export function realRow(
  m: ModuleBuilder,
  name: string,
  tail: Tails,
  prepare: (k: Constants) => (a: Vector, b: Vector) => Expression<"v128">,
): FunctionHandle<typeof ROW, undefined> {
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
export function scalarRow<T extends "i32" | "f32">(
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
