import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { allocateBlock, allocatorBytes, freeBlock, Region } from "./allocator.ts";
import { linearMemory } from "./linear-memory.ts";

/** What the test took: start and end of each block, checked against all others. */
class Model {
  readonly blocks = new Map<number, number>();

  take(pointer: number, bytes: number): void {
    expect(pointer % 64, "alignment").toBe(0);
    expect(pointer, "byte 0 stays absent").toBeGreaterThan(0);
    const end = pointer + Math.max(1, bytes);
    expect(linearMemory().buffer.byteLength).toBeGreaterThanOrEqual(end);
    for (const [start, stop] of this.blocks) {
      if (start < end && pointer < stop) expect.fail(`[${pointer}, ${end}) overlaps [${start}, ${stop})`);
    }
    this.blocks.set(pointer, end);
    new Uint8Array(linearMemory().buffer, pointer, bytes).fill(this.#stamp(pointer));
  }

  /** The block at some position, after a look whether its bytes are still its own. */
  give(at: number): number {
    const [pointer, end] = [...this.blocks][at % this.blocks.size]!;
    const bytes = new Uint8Array(linearMemory().buffer, pointer, end - pointer);
    for (const i of [0, bytes.length >> 1, bytes.length - 1]) if (bytes.length > 1) expect(bytes[i]).toBe(this.#stamp(pointer));
    this.blocks.delete(pointer);
    return pointer;
  }

  #stamp(pointer: number): number {
    return (pointer / 64) % 251;
  }
}

const sizes = fc.oneof(
  fc.nat(300),
  fc.integer({ min: 0, max: 40 }).map((n) => 64 * n),
  fc.integer({ min: 60_000, max: 70_000 }),
  fc.nat(400_000),
);
const actions = fc.array(fc.oneof(fc.record({ bytes: sizes }), fc.record({ free: fc.nat(1000) })), { maxLength: 60 });

let before = allocatorBytes();
afterEach(() => {
  expect(allocatorBytes().used, "bytes after the test").toBe(before.used);
});

describe("allocateBlock", () => {
  it("gives aligned blocks that never overlap, and takes all of them back", () => {
    before = allocatorBytes();
    fc.assert(
      fc.property(actions, (list) => {
        const model = new Model();
        const start = allocatorBytes().used;
        let used = 0;
        const sized = new Map<number, number>();
        for (const action of list) {
          if ("bytes" in action) {
            const pointer = allocateBlock(action.bytes);
            model.take(pointer, action.bytes);
            const size = Math.max(64, Math.ceil(action.bytes / 64) * 64);
            sized.set(pointer, size);
            used += size;
          } else if (model.blocks.size > 0) {
            const pointer = model.give(action.free);
            freeBlock(pointer);
            used -= sized.get(pointer)!;
          }
          expect(allocatorBytes().used - start).toBe(used);
        }
        while (model.blocks.size > 0) freeBlock(model.give(0));
        expect(allocatorBytes().used).toBe(start);
      }),
      { numRuns: 150, seed: 1 },
    );
  });

  it("merges neighbours, in whatever order they are freed", () => {
    before = allocatorBytes();
    for (const order of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [1, 3, 0, 2],
      [0, 2, 3, 1],
      [2, 0, 1, 3],
    ]) {
      const fence = [allocateBlock(64)];
      const whole = allocateBlock(4 * 6400);
      freeBlock(whole);
      const parts = [0, 1, 2, 3].map(() => allocateBlock(6400));
      fence.push(allocateBlock(64));
      const { top } = allocatorBytes();
      for (const i of order) freeBlock(parts[i]!);
      const again = allocateBlock(4 * 6400);
      expect(allocatorBytes().top, "no new memory").toBe(top);
      expect(again).toBe(Math.min(...parts));
      freeBlock(again);
      for (const pointer of fence) freeBlock(pointer);
    }
  });

  it("takes the lowest range that fits, so that memory stays dense", () => {
    before = allocatorBytes();
    const blocks = [0, 1, 2, 3, 4].map(() => allocateBlock(1_000_000));
    freeBlock(blocks[3]!);
    freeBlock(blocks[1]!);
    const lowest = allocateBlock(500_000);
    expect(lowest).toBeLessThanOrEqual(blocks[1]!);
    for (const pointer of [lowest, blocks[0]!, blocks[2]!, blocks[4]!]) freeBlock(pointer);
  });

  it("grows linear memory, keeps what is in it, and remembers the most that was in use", () => {
    before = allocatorBytes();
    const small = allocateBlock(64);
    new Uint8Array(linearMemory().buffer, small, 64).fill(42);
    const present = linearMemory().buffer.byteLength;
    const large = allocateBlock(present + 1);
    expect(linearMemory().buffer.byteLength).toBeGreaterThan(present);
    expect([...new Uint8Array(linearMemory().buffer, small, 64)]).toEqual(new Array(64).fill(42));
    const { used, most } = allocatorBytes();
    expect(most).toBeGreaterThanOrEqual(used);
    freeBlock(large);
    expect(allocatorBytes().most).toBe(most);
    freeBlock(small);
  });

  it("throws when linear memory cannot grow, and then goes on as if nothing had been asked", () => {
    before = allocatorBytes();
    expect(() => allocateBlock(2 ** 33)).toThrow(/^memory: the linear memory cannot grow further.*Use smaller batches/);
    const region = new Region();
    expect(() => region.allocate(2 ** 33)).toThrow(/cannot grow/);
    expect(region.liveBytes).toBe(0);
    const pointer = region.allocate(100);
    expect(pointer % 64).toBe(0);
    region.end();
  });

  it("refuses to free what is no block", () => {
    before = allocatorBytes();
    const pointer = allocateBlock(128);
    expect(() => freeBlock(pointer + 64)).toThrow(/internal: no block/);
    freeBlock(pointer);
    expect(() => freeBlock(pointer)).toThrow(/internal/);
  });
});

describe("Region", () => {
  it("gives aligned blocks that never overlap, recycles released ones, and ends them all together", () => {
    before = allocatorBytes();
    fc.assert(
      fc.property(actions, fc.nat(2), (list, ending) => {
        const region = new Region();
        const model = new Model();
        const bytesOf = new Map<number, number>();
        let live = 0;
        const rounded = (bytes: number) => Math.max(64, Math.ceil(bytes / 64) * 64);
        for (const action of list) {
          if ("bytes" in action) {
            const pointer = region.allocate(action.bytes);
            model.take(pointer, action.bytes);
            bytesOf.set(pointer, action.bytes);
            live += rounded(action.bytes);
          } else if (model.blocks.size > 0) {
            const pointer = model.give(action.free);
            region.release(pointer, bytesOf.get(pointer)!);
            live -= rounded(bytesOf.get(pointer)!);
          }
          expect(region.liveBytes).toBe(live);
        }
        if (ending === 0) region.reset();
        expect(region.allocate(10) % 64).toBe(0);
        region.end();
        expect(region.liveBytes).toBe(0);
      }),
      { numRuns: 150, seed: 2 },
    );
  });

  it("needs no new memory for the same blocks again, be they recycled, reset or ended", () => {
    before = allocatorBytes();
    const region = new Region();
    const round = () => [10, 5000, 70_000, 300_000, 64].map((bytes) => [region.allocate(bytes), bytes] as const);
    for (const [pointer, bytes] of round()) region.release(pointer, bytes);
    const { top } = allocatorBytes();
    for (let i = 0; i < 50; i++) {
      for (const [pointer, bytes] of round()) region.release(pointer, bytes);
      round();
      region.reset();
      round();
      region.end();
    }
    expect(allocatorBytes().top).toBeLessThanOrEqual(top + 400_000);
  });

  it("keeps one chunk over a reset, and none over its end", () => {
    before = allocatorBytes();
    const region = new Region();
    for (let i = 0; i < 100; i++) region.allocate(10_000);
    region.reset();
    expect(allocatorBytes().used - before.used).toBe(256 * 1024);
    region.end();
  });
});
