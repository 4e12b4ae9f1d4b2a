import { f32x4, ModuleBuilder } from "../assembler/index.ts";
import type { Build } from "../assembler/index.ts";
import { CHAINS } from "./chains.ts";

/** The WebAssembly of the probe. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  m.func("chains", { params: { turns: "i32", factor: "f32", term: "f32" }, result: "f32" }, (f, { turns, factor, term }) => {
    const factors = f.let(f32x4.splat(factor));
    const terms = f.let(f32x4.splat(term));
    const chains = f.locals("v128", CHAINS);
    f.doWhile(turns, () => {
      for (const x of chains) x.set(f.madd(x, factors, terms));
      f.increment(turns, -1);
    });
    const sum = f.local("v128");
    for (const x of chains) sum.set(f32x4.add(sum, x));
    f.return(f32x4.extractLane(sum, 0));
  });
  return m.toBytes();
}
