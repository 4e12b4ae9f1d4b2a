// A family of one's own: plain loops that define it, and a generator that the assembler turns into each build.
import { defineFamily, float32View, Region, type Views } from "@heed/kernels";
import { f32, ModuleBuilder, type Build } from "@heed/kernels/assembler";

interface Kernels {
  /** `Σ x[i]²` over `n` floats. */
  sumOfSquares(x: number, n: number): number;
}

const reference = ({ real, shift }: Views): Kernels => ({
  sumOfSquares(x, n) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += real()[(x >> shift) + i] ** 2;
    return sum;
  },
});

function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder(build);
  module.func("sumOfSquares", { params: { x: "i32", n: "i32" }, result: "f32" }, (f, { x, n }) => {
    const sum = f.local("f32");
    f.forRange(0, n, 1, () => {
      const value = f.let(f32.load(x));
      sum.set(f32.add(sum, f32.mul(value, value)));
      f.increment(x, 4);
    });
    f.return(sum);
  });
  return module.toBytes();
}

const family = defineFamily("sum-of-squares", wasm, reference);
const region = new Region();
const x = region.allocate(4 * 3);
float32View().set([1, 2, 3], x / 4);
for (const which of ["reference", "simd", "relaxed"] as const) {
  console.log(which, family.implementation(which).sumOfSquares(x, 3)); // 14
}
region.end();
