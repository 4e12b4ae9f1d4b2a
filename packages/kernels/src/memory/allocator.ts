import { linearMemory } from "./linear-memory.ts";

const ALIGNMENT = 64;
/** Blocks from this size on are taken from the heap one by one; smaller ones share chunks. */
const LARGE = 64 * 1024;
const CHUNK = 256 * 1024;

interface Range {
  start: number;
  end: number;
}

/** Free ranges of the linear memory, by address; neighbours are always merged. */
const free: Range[] = [];
const sizes = new Map<number, number>();
let top = ALIGNMENT; // Everything at and above this address was never handed out.

/** A 64-byte aligned block that lives until `freeBlock`. First fit by address, so that memory stays dense. */
export function allocateBlock(bytes: number): number {
  const size = roundUp(bytes);
  for (let i = 0; i < free.length; i++) {
    const range = free[i]!;
    if (range.end - range.start < size) continue;
    const pointer = range.start;
    range.start += size;
    if (range.start === range.end) free.splice(i, 1);
    sizes.set(pointer, size);
    return pointer;
  }
  const last = free.at(-1);
  const start = last?.end === top ? last.start : top;
  linearMemory().ensure(start + size);
  if (start !== top) free.pop();
  top = start + size;
  sizes.set(start, size);
  return start;
}

/** Gives a block back. */
export function freeBlock(pointer: number): void {
  const size = sizes.get(pointer);
  if (size === undefined) throw new Error(`internal: no block at ${pointer}`);
  sizes.delete(pointer);
  let low = 0;
  for (let high = free.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (free[middle]!.start < pointer) low = middle + 1;
    else high = middle;
  }
  const end = pointer + size;
  const before = free[low - 1];
  const after = free[low];
  if (before?.end === pointer) {
    before.end = end;
    if (after?.start === end) {
      before.end = after.end;
      free.splice(low, 1);
    }
  } else if (after?.start === end) after.start = pointer;
  else free.splice(low, 0, { start: pointer, end });
}

/**
 * Blocks that end together. Small ones are cut from chunks and are recycled by size; large ones come from the heap, so
 * a block released early can serve any later one.
 */
export class Region {
  /** Bytes of the blocks that are in use. */
  liveBytes = 0;
  readonly #recycled = new Map<number, number[]>();
  readonly #large = new Set<number>();
  readonly #chunks: number[] = [];
  #next = 0;
  #end = 0;

  allocate(bytes: number): number {
    const size = roundUp(bytes);
    this.liveBytes += size;
    if (size >= LARGE) {
      const pointer = allocateBlock(size);
      this.#large.add(pointer);
      return pointer;
    }
    const recycled = this.#recycled.get(size)?.pop();
    if (recycled !== undefined) return recycled;
    if (this.#next + size > this.#end) {
      this.#next = allocateBlock(CHUNK);
      this.#end = this.#next + CHUNK;
      this.#chunks.push(this.#next);
    }
    const pointer = this.#next;
    this.#next += size;
    return pointer;
  }

  release(pointer: number, bytes: number): void {
    const size = roundUp(bytes);
    this.liveBytes -= size;
    if (this.#large.delete(pointer)) {
      freeBlock(pointer);
      return;
    }
    const bin = this.#recycled.get(size);
    if (bin === undefined) this.#recycled.set(size, [pointer]);
    else bin.push(pointer);
  }

  end(): void {
    for (const pointer of this.#large) freeBlock(pointer);
    for (const pointer of this.#chunks) freeBlock(pointer);
    this.#large.clear();
    this.#chunks.length = 0;
    this.#recycled.clear();
    this.#next = this.#end = 0;
    this.liveBytes = 0;
  }
}

/** Bytes that the allocator has handed out (chunks count whole), and that it has ever used at once. */
export function allocatorBytes(): { used: number; top: number } {
  const unused = free.reduce((sum, range) => sum + range.end - range.start, 0);
  return { used: top - ALIGNMENT - unused, top };
}

function roundUp(bytes: number): number {
  return bytes === 0 ? ALIGNMENT : Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
