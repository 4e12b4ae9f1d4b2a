import { allocateBlock, freeBlock } from "../memory/allocator.ts";
import { float32View } from "../memory/views.ts";
import { activations } from "./activations.ts";
import { matmulScratchBytes } from "./blocking.ts";
import type { MatmulKernels } from "./matmul.ts";

/** Sizes with whole tiles and the rests of them, in rows, columns and steps; few rows; few columns. */
const SHAPES = [
  [17, 43, 70],
  [64, 144, 130],
  [1, 70, 33],
  [2, 70, 33],
  [5, 9, 300],
  [9, 200, 40],
] as const;

/** Whether two builds give the same bits, in every layout. */
export function agree(one: MatmulKernels, other: MatmulKernels): boolean {
  const [most, scratchBytes] = [4 * 2 ** 15, Math.max(...SHAPES.map(([m, n, k]) => matmulScratchBytes(m, n, k)))];
  const [a, b, c, d, scratch] = [most, most, most, most, scratchBytes].map(allocateBlock);
  const view = float32View();
  for (const [operand, factor] of [
    [a, 37],
    [b, 53],
  ] as const) {
    for (let i = 0; i < most / 4; i++) view[operand / 4 + i] = ((i * factor) % 101) / 50 - 1;
  }
  let same = true;
  for (const [m, n, k] of SHAPES) {
    for (const [rowA, columnA] of [
      [k, 1],
      [1, m],
    ]) {
      for (const [rowB, columnB] of [
        [n, 1],
        [1, k],
      ]) {
        for (const activation of Object.values(activations)) {
          for (const [kernels, to] of [
            [one, c],
            [other, d],
          ] as const) {
            kernels.linear(m, n, k, a, rowA, columnA, b, rowB, columnB, b, to, n, activation, 0, scratch);
          }
          for (let i = 0; i < m * n; i++) same &&= view[c / 4 + i] === view[d / 4 + i];
        }
      }
    }
  }
  for (const block of [a, b, c, d, scratch]) freeBlock(block);
  return same;
}
