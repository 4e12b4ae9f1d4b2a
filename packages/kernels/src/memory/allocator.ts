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
let used = 0;
let most = 0;

/** A 64-byte aligned block that lives until `freeBlock`. First fit by address, so that memory stays dense. */
export function allocateBlock(bytes: number): number {
  const size = roundUp(bytes);
  for (let i = 0; i < free.length; i++) {
    const range = free[i]!;
    if (range.end - range.start < size) continue;
    const pointer = range.start;
    range.start += size;
    if (range.start === range.end) free.splice(i, 1);
    return handOut(pointer, size);
  }
  const last = free.at(-1);
  const start = last?.end === top ? last.start : top;
  linearMemory().ensure(start + size);
  if (start !== top) free.pop();
  top = start + size;
  return handOut(start, size);
}

function handOut(pointer: number, size: number): number {
  sizes.set(pointer, size);
  used += size;
  if (used > most) most = used;
  return pointer;
}

/** Gives a block back. */
export function freeBlock(pointer: number): void {
  const size = sizes.get(pointer);
  if (size === undefined) throw new Error(`internal: no block at ${pointer}`);
  sizes.delete(pointer);
  used -= size;
  let low = 0;
  for (let high = free.length; low < high;) {
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
    const pointer = size >= LARGE ? this.#takeLarge(size) : (this.#recycled.get(size)?.pop() ?? this.#cut(size));
    this.liveBytes += size;
    return pointer;
  }

  #takeLarge(size: number): number {
    const pointer = allocateBlock(size);
    this.#large.add(pointer);
    return pointer;
  }

  #cut(size: number): number {
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
    for (const pointer of this.#chunks) freeBlock(pointer);
    this.#chunks.length = 0;
    this.reset();
  }

  /** Ends all blocks, but keeps the first chunk for the next ones: for regions that are used again and again. */
  reset(): void {
    if (this.#large.size > 0) {
      for (const pointer of this.#large) freeBlock(pointer);
      this.#large.clear();
    }
    while (this.#chunks.length > 1) freeBlock(this.#chunks.pop()!);
    if (this.#recycled.size > 0) this.#recycled.clear();
    this.#next = this.#chunks[0] ?? 0;
    this.#end = this.#chunks.length === 0 ? 0 : this.#next + CHUNK;
    this.liveBytes = 0;
  }
}

/**
 * Bytes that the allocator has handed out now, and the most ever at once (chunks of regions count whole); and the address
 * from which on nothing was ever handed out.
 */
export function allocatorBytes(): { used: number; most: number; top: number } {
  return { used, most, top };
}

function roundUp(bytes: number): number {
  return bytes === 0 ? ALIGNMENT : Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
