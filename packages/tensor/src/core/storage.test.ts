import { allocatorBytes, configure } from "@heed/kernels";
import { afterEach, describe, expect, it } from "vitest";
import { add, mul } from "../operations/arithmetic.ts";
import { sum } from "../operations/sum.ts";
import { expand, slice, transpose } from "../operations/views.ts";
import { eachBackend } from "../testing/each-backend.ts";
import { copyInto } from "./compute.ts";
import { full, tensor, zeros } from "./construct.ts";
import { keep } from "./keep.ts";
import { memory, scope } from "./scope.ts";
import type { Tensor } from "./tensor.ts";

/** What `fn` adds to linear memory, in the scope that is open. */
function growth(fn: () => unknown): number {
  const before = memory().liveBytes;
  fn();
  return memory().liveBytes - before;
}

/** Blocks are multiples of 64 bytes. */
const blocks = (...bytes: number[]) => bytes.reduce((total, b) => total + Math.max(64, Math.ceil(b / 64) * 64), 0);

afterEach(() => {
  expect(memory().liveBytes, "live bytes after the test").toBe(0);
});

describe.each(eachBackend())("an outside tensor in a scope, on $name", ({ use }) => {
  // Rows of 1,000 float32 take 4,000 bytes.
  const outside = () =>
    tensor(
      Float32Array.from({ length: 100_000 }, (_, i) => i),
      { shape: [100, 1000] },
    );
  const one = zeros([]);

  it("is copied in once per outermost scope", () =>
    use(() => {
      const x = outside();
      scope(() => {
        expect(growth(() => add(x, one))).toBe(blocks(400_000, 4, 400_000));
        expect(growth(() => add(x, one))).toBe(blocks(400_000));
        scope(() => expect(growth(() => add(x, one))).toBe(blocks(400_000)));
      });
      scope(() => {
        scope(() => expect(growth(() => add(x, one))).toBe(blocks(400_000, 4, 400_000)));
        expect(
          growth(() => add(x, one)),
          "the copy that the nested scope made",
        ).toBe(blocks(400_000));
      });
    }));

  it("is copied in anew after a write, and the old copy's block serves again", () =>
    use(() => {
      const x = outside();
      const small = zeros([1, 1000]);
      scope(() => {
        add(slice(x, 0, 3, 4), one);
        // Writing needs all of it; the window is stale after that, and its block goes back at the next reading.
        expect(growth(() => copyInto(x, zeros([100, 1000])))).toBe(blocks(400_000, 400_000));
        expect(growth(() => expect(sum(slice(x, 0, 3, 4)).item()).toBe(0))).toBe(blocks(4));
        add(slice(small, 1, 0, 500), one);
        copyInto(small, zeros([1, 1000]));
        copyInto(small, zeros([1, 1000]));
        expect(
          growth(() => add(small, one)),
          "the whole is present, the window's block free",
        ).toBe(blocks(4000));
      });
      expect(sum(x).item()).toBe(0);
    }));

  it("brings only the elements that its view spans, whatever the strides", () =>
    use(() => {
      const x = outside();
      scope(() => {
        expect(growth(() => sum(slice(x, 0, 10, 12)))).toBe(blocks(8000, 4));
        expect(growth(() => sum(slice(transpose(x), 1, 50, 51)))).toBe(blocks(4000, 4));
        // One column: from its first to its last element; summed over a dense copy.
        expect(growth(() => sum(slice(outside(), 1, 3, 4)))).toBe(blocks(99_001 * 4, 400, 4));
      });
    }));

  it("brings each of several windows once, however often they alternate", () =>
    use(() => {
      const x = outside();
      scope(() => {
        const windows = [0, 40, 80].map((row) => slice(x, 0, row, row + 5));
        expect(growth(() => windows.map((window) => sum(window)))).toBe(blocks(20_000, 20_000, 20_000, 4, 4, 4));
        expect(growth(() => windows.map((window) => sum(window)))).toBe(blocks(4, 4, 4));
        expect(growth(() => sum(slice(x, 0, 41, 43)))).toBe(blocks(4));
      });
    }));

  it("comes whole, once, where overlapping windows would bring more than that", () =>
    use(() => {
      const x = outside();
      scope(() => {
        const used = growth(() => {
          for (let row = 0; row < 90; row++) expect(sum(slice(slice(x, 0, row, row + 10), 1, 0, 1)).item()).toBe(10_000 * row + 45_000);
        });
        expect(used).toBeLessThanOrEqual(2 * 400_000 + 90 * blocks(40, 4));
      });
    }));

  it("may be written by a kernel that reads a window of its older version", () =>
    use(() => {
      const x = tensor([1, 2, 3, 4]);
      scope(() => {
        for (let i = 0; i < 3; i++) copyInto(x, expand(slice(x, 0, 1, 2), [4]));
        expect(sum(slice(x, 0, 2)).item()).toBe(4);
      });
      expect(x.toArray()).toEqual([2, 2, 2, 2]);
    }));

  it("has what was written in a scope afterwards, be the scope left by its end, an exception or a promise", () =>
    use(() => {
      for (const leave of [
        () => 1,
        () => {
          throw new Error("left");
        },
        async () => 1,
      ]) {
        const x = zeros([3]);
        try {
          scope(() =>
            scope(() => {
              copyInto(x, full([3], 2));
              copyInto(x, add(x, 1));
              return leave();
            }),
          );
        } catch (error) {
          expect((error as Error).message).toMatch(/left|synchronous/);
        }
        expect(x.toArray()).toEqual([3, 3, 3]);
        expect(scope(() => add(x, 1)).toArray()).toEqual([4, 4, 4]);
      }
    }));

  it("can be read on the heap while its newer copy is in linear memory", () =>
    use(() => {
      const x = zeros([2]);
      scope(() => {
        copyInto(x, full([2], 1));
        expect(x.toArray()).toEqual([1, 1]);
        copyInto(x, full([2], 2));
        expect(keep(x).toArray()).toEqual([2, 2]);
        expect(x.toString()).toContain("[2, 2]");
      });
      expect(x.toArray()).toEqual([2, 2]);
    }));
});

describe("memory", () => {
  it("counts the blocks of open scopes, and nothing of the heap", () => {
    const x = zeros([1000]);
    add(x, 1);
    expect(memory().liveBytes).toBe(0);
    scope(() => {
      expect(growth(() => add(mul(x, 2), 1))).toBe(blocks(4000, 4000, 4000));
    });
  });

  it("remembers the most that was ever handed out, also between two kernels", () => {
    const x = zeros([1_000_000]);
    scope(() => {
      scope(() => void [add(x, 1), add(x, 2), add(x, 3)]);
      expect(memory().liveBytes).toBeLessThan(9e6);
    });
    const { highWaterBytes, reservedBytes } = memory();
    expect(highWaterBytes).toBeGreaterThanOrEqual(16_000_000);
    expect(reservedBytes).toBeGreaterThanOrEqual(highWaterBytes);
    expect(allocatorBytes().used).toBeLessThan(highWaterBytes);
  });

  it("names in debug mode the call that made each live block", () => {
    configure({ debug: true });
    try {
      scope(function outermost() {
        const kept: Tensor[] = [];
        scope(function nested() {
          return kept.push(add(zeros([5]), 1)) > 0 ? kept[0] : undefined;
        });
        const y = mul(kept[0], 2);
        const { blocks: list } = memory();
        expect(list.map(({ bytes, dtype, home }) => ({ bytes, dtype, home }))).toEqual([
          { bytes: 20, dtype: "float32", home: "scope" },
          { bytes: 20, dtype: "float32", home: "scope" },
        ]);
        expect(list[0].stack).toContain("nested");
        expect(list[1].stack).toMatch(/outermost/);
        expect(y.shape).toEqual([5]);
      });
      expect(memory().blocks).toEqual([]);
    } finally {
      configure({ debug: false });
    }
  });
});
