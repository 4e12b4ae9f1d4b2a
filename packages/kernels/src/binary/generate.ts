import { f32x4, i32, ModuleBuilder } from "../assembler/index.ts";
import type { Build, Expression, Local } from "../assembler/index.ts";
import { elementLoop, tails } from "../building-blocks/index.ts";
import { binary, realRow, scalarRow, type Int } from "./rows.ts";

type Vector = Local<"v128">;

const reals: Record<string, (a: Vector, b: Vector) => Expression<"v128">> = {
  add: f32x4.add,
  sub: f32x4.sub,
  mul: f32x4.mul,
  div: f32x4.div,
  maximum: f32x4.max, // unlike pmax it keeps a NaN of either side
  minimum: f32x4.min,
};

const integers: Record<string, (a: Int, b: Int) => Expression<"i32">> = {
  addInt: i32.add,
  subInt: i32.sub,
  mulInt: i32.mul,
  maximumInt: i32.maxS,
  minimumInt: i32.minS,
};

/** What every tensor needs, so that a page has all of it anyway. */
export const stream = "tensors";

export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  const tail = tails(m);
  for (const [name, one] of Object.entries(reals))
    binary(
      m,
      name,
      2,
      2,
      realRow(m, name, tail, () => one),
    );
  for (const [name, one] of Object.entries(integers)) {
    binary(
      m,
      name,
      2,
      2,
      scalarRow(m, name, 2, i32.load, (f, out, a, b) => f.store(out, one(a, b)), 2),
    );
  }
  m.func("axpy", { params: { x: "i32", y: "i32", n: "i32", alpha: "f32" } }, (f, { x, y, n, alpha }) => {
    const factor = f.let(f32x4.splat(alpha));
    elementLoop(f, tail, [x, y], y, n, (a, b) => f.madd(a!, factor, b!));
  });
  return m.toBytes();
}
