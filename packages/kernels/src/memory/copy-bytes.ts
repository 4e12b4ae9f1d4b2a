import { linearMemory } from "./linear-memory.ts";

type Copy = (this: Uint8Array, target: Uint8Array, to: number, from: number, end: number) => number;

/**
 * `target[to + i] = source[from + i]` for `0 ≤ i < count`. Ranges in linear memory must not overlap.
 *
 * Engines copy to and from shared memory word by word, as threads could look on: three to four times slower than what Node's buffers do, where
 * they are not asked for the whole of a source.
 */
export function copyBytes(source: Uint8Array, from: number, target: Uint8Array, to: number, count: number): void {
  const { Buffer: node } = globalThis as { Buffer?: { prototype: { copy: Copy } } };
  if (node === undefined || count === 0 || !linearMemory().isShared) {
    target.set(source.subarray(from, from + count), to);
    return;
  }
  target[to] = source[from]!;
  node.prototype.copy.call(source, target, to + 1, from + 1, from + count);
}
