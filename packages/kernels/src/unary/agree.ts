import { allocateBlock, freeBlock } from "../memory/allocator.ts";
import { int32View, float32View } from "../memory/views.ts";
import type { UnaryKernels } from "./unary.ts";

type Kernel = (x: number, g: number, out: number, n: number, a: number, b: number) => void;

const COUNT = 203;

/** Whether two builds of the functions of one element give the same bits, zeros, infinities and NaN among the elements. */
export function agree(one: UnaryKernels, other: UnaryKernels): boolean {
  const [x, g, first, second] = [0, 1, 2, 3].map(() => allocateBlock(4 * COUNT));
  const view = float32View();
  for (let i = 0; i < COUNT; i++) {
    view[x / 4 + i] = [0, -0, Infinity, -Infinity, NaN, 1e-40, 3e38][i % 29] ?? ((i * 37) % 101) / 8 - 6;
    view[g / 4 + i] = ((i * 53) % 101) / 50 - 1;
  }
  const ints = int32View();
  const same = Object.entries(one).every(([name, kernel]) => {
    for (const [run, out] of [
      [kernel, first],
      [other[name as keyof UnaryKernels], second],
    ] as const) {
      if (name.endsWith("Grad")) (run as Kernel)(x, g, out, COUNT, 0.5, 0.75);
      else (run as Kernel)(x, out, COUNT, 0.5, 0.75, 0);
    }
    // NaN may differ in its payload.
    return Array.from({ length: COUNT }, (_, i) => i).every(
      (i) => ints[first / 4 + i] === ints[second / 4 + i] || (Number.isNaN(view[first / 4 + i]) && Number.isNaN(view[second / 4 + i])),
    );
  });
  for (const block of [x, g, first, second]) freeBlock(block);
  return same;
}
