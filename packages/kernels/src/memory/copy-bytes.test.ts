import { afterEach, describe, expect, it, vi } from "vitest";
import { allocateBlock, freeBlock } from "./allocator.ts";
import { copyBytes } from "./copy-bytes.ts";
import { uint8View } from "./views.ts";

const pattern = (n: number) => Uint8Array.from({ length: n }, (_, i) => (7 * i + 1) % 251);
const counts = [0, 1, 2, 63, 64, 1000, 70_001];

afterEach(() => vi.unstubAllGlobals());

describe.each([
  ["with Node's buffers", () => {}],
  ["where there are none", () => vi.stubGlobal("Buffer", undefined)],
])("copyBytes %s", (_, prepare) => {
  it.each(counts)("copies %i bytes in, on and out, and touches none beside them", (n) => {
    prepare();
    const [first, second] = [allocateBlock(n + 64), allocateBlock(n + 64)];
    try {
      const memory = uint8View();
      for (const at of [first, second]) memory.fill(255, at, at + n + 64);
      const wanted = pattern(n);
      copyBytes(wanted, 0, uint8View(), first + 3, n);
      expect(memory.slice(first, first + n + 64)).toEqual(Uint8Array.of(255, 255, 255, ...wanted, ...new Uint8Array(61).fill(255)));
      copyBytes(memory, first + 3, memory, second + 5, n);
      expect(memory.slice(second + 5, second + 5 + n)).toEqual(wanted);
      const out = new Uint8Array(n + 10).fill(254);
      copyBytes(memory, second + 5, out, 4, n);
      expect(out).toEqual(Uint8Array.of(254, 254, 254, 254, ...wanted, ...new Uint8Array(6).fill(254)));
    } finally {
      freeBlock(first);
      freeBlock(second);
    }
  });

  it("copies part of an array's bytes", () => {
    prepare();
    const at = allocateBlock(64);
    copyBytes(pattern(100), 20, uint8View(), at, 30);
    expect(uint8View().slice(at, at + 30)).toEqual(pattern(100).slice(20, 50));
    freeBlock(at);
  });
});
