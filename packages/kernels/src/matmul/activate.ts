import { i32 } from "../assembler/index.ts";
import type { Expression, FunctionHandle, Local, ModuleBuilder } from "../assembler/index.ts";
import { Constants, elementLoop, geluErfBlock, geluTanhBlock, tails } from "../building-blocks/index.ts";
import { activations } from "./activations.ts";

const ACTIVATE = {
  activation: "i32",
  m: "i32",
  n: "i32",
  source: "i32",
  out: "i32",
  rowStride: "i32",
} as const;
export type Activate = FunctionHandle<typeof ACTIVATE, undefined>;

/** `out[i, j] = f(source[i, j])` for a block of m × n, both with `rowStride` bytes between rows. */
export function defineActivate(module: ModuleBuilder): Activate {
  const tail = tails(module);
  const define = (name: string, prepare: (k: Constants) => (x: Local<"v128">) => Expression<"v128">) => {
    const { activation: _, ...params } = ACTIVATE;
    return module.internal(name, { params }, (f, { m, n, source, out, rowStride }) => {
      const block = prepare(new Constants(f));
      const [x, y, count] = f.locals("i32", 3);
      f.forRange(0, m, 1, () => {
        x.set(source);
        y.set(out);
        count.set(n);
        elementLoop(f, tail, [x], y, count, (value) => block(value!), 4);
        f.increment(source, rowStride);
        f.increment(out, rowStride);
      });
    });
  };
  const geluErf = define("geluErf", geluErfBlock);
  const geluTanh = define("geluTanh", geluTanhBlock);
  return module.internal("activate", { params: ACTIVATE }, (f, { activation, ...block }) => {
    f.if(i32.eq(activation, activations.gelu), () => f.call(geluErf, block));
    f.if(i32.eq(activation, activations.geluTanh), () => f.call(geluTanh, block));
  });
}
