import { describe, expect, it } from "vitest";
import { randomKey, tensor } from "@heed/tensor";
import type { TermContext } from "@heed/tensor/terms";
import {
  and,
  blocks,
  causal,
  dilated,
  document,
  fixed,
  fromDropMask,
  fromTensor,
  globalTokens,
  not,
  or,
  padding,
  randomBlocks,
  window,
  type DrawableMask,
} from "./index.ts";
import { intervalMask } from "./internal/interval-mask.ts";

const rows = (mask: DrawableMask, L: number, S: number, options = {}) =>
  mask
    .toString(L, S, options)
    .split("\n")
    .map((line) => line.replaceAll(" ", ""));

describe("masks", () => {
  it("aligns causal bottom-right by default and top-left at offset 0", () => {
    expect(rows(causal(), 2, 4)).toEqual(["■■■·", "■■■■"]);
    expect(rows(causal(), 2, 4, { queryOffset: 0 })).toEqual(["■···", "■■··"]);
    expect(rows(causal(), 4, 2)).toEqual(["··", "··", "■·", "■■"]);
  });

  it("counts a window from left before to right after, the query's own key besides", () => {
    expect(rows(window(1, 0), 4, 4)).toEqual(["■···", "■■··", "·■■·", "··■■"]);
    expect(rows(window(-1, 1), 3, 3)).toEqual(["■■·", "■■■", "■■■"]);
  });

  it("shows a query the keys of its own document, scattered or not, by its position or by ids of its own", () => {
    expect(rows(document([7, 7, 2, 7]), 2, 4)).toEqual(["··■·", "■■·■"]);
    expect(rows(document([0, 0, 1]), 3, 3, { queryOffset: -1 })).toEqual(["···", "■■·", "■■·"]);
    expect(rows(document([0, 1, 1], [1, 5]), 2, 3)).toEqual(["·■■", "···"]);
    const perSample = document([
      [1, 1, 2],
      [1, 2, 2],
    ]);
    expect(perSample.samples).toBe(2);
    expect(perSample.toTensor(1, 3).toArray()).toEqual([[[[false, false, true]]], [[[false, true, true]]]]);
    expect(() => document([1, 0.5])).toThrow(/document: ids must be whole numbers; got ids\[1\] 0.5/);
    expect(() => document([1, 2]).toTensor(2, 3)).toThrow(/ids must have one id per position; got wanted 3, got 2/);
    expect(() => perSample.toTensor(1, 3, { B: 3 })).toThrow(/one list per sample; got samples B 3, lists 2/);
  });

  it("tells samples apart by their lengths, also combined", () => {
    const mask = and(causal(), padding([4, 2]));
    expect(mask.toTensor(4, 4).shape).toEqual([2, 1, 4, 4]);
    expect(mask.toTensor(4, 4).toArray()).toEqual([
      [
        [
          [true, false, false, false],
          [true, true, false, false],
          [true, true, true, false],
          [true, true, true, true],
        ],
      ],
      [
        [
          [true, false, false, false],
          [true, true, false, false],
          [true, true, false, false],
          [true, true, false, false],
        ],
      ],
    ]);
  });

  it("reads one offset per sample", () => {
    expect(
      causal()
        .toTensor(1, 3, { queryOffset: Int32Array.of(0, 2), B: 2 })
        .toArray(),
    ).toEqual([[[[true, false, false]]], [[[true, true, true]]]]);
  });

  it("turns a drop mask round", () => {
    const drop = tensor([
      [false, true],
      [true, true],
    ]);
    expect(fromDropMask(drop).toTensor(2, 2).toArray()).toEqual([
      [true, false],
      [false, false],
    ]);
    expect(not(fromTensor(drop)).toTensor(2, 2).toArray()).toEqual([
      [true, false],
      [false, false],
    ]);
  });

  it("knows its samples and heads: from lengths, tensors, offsets, and what it is combined of", () => {
    const perHead = fromTensor(tensor([[[true, false]], [[false, true]], [[true, true]]]));
    expect(perHead.toTensor(1, 2).shape).toEqual([1, 3, 1, 2]);
    expect(
      and(padding([1, 2]), not(perHead))
        .toTensor(1, 2)
        .toArray(),
    ).toEqual([
      [[[false, false]], [[true, false]], [[false, false]]],
      [[[false, true]], [[true, false]], [[false, false]]],
    ]);
    expect(causal().toTensor(1, 3, { queryOffset: Int32Array.of(0, 1, 2) }).shape).toEqual([3, 1, 1, 3]);
    expect([padding([1, 2]).samples, perHead.heads, or(perHead, padding([3])).samples, causal().samples]).toEqual([2, 3, 1, undefined]);
  });

  it("broadcasts a tensor along axes of length 1, rows and keys too", () => {
    expect(
      fromTensor(tensor([[true], [false]]))
        .toTensor(2, 3)
        .toArray(),
    ).toEqual([
      [true, true, true],
      [false, false, false],
    ]);
    expect(rows(fromTensor(tensor([[true, false, true]])), 2, 3)).toEqual(["■·■", "■·■"]);
  });

  it("has no rows or keys where there are none", () => {
    for (const mask of [causal(), window(1, 1), not(causal()), or(), and()]) {
      expect(mask.toTensor(0, 3).shape).toEqual([0, 3]);
      expect(mask.toTensor(2, 0).shape).toEqual([2, 0]);
      expect(mask.lower({ B: 1, H: 1, L: 2, S: 0, queryOffset: 0 }).form).toBe("ranges");
    }
    expect([rows(and(), 1, 2), rows(or(), 1, 2)]).toEqual([["■■"], ["··"]]);
  });

  it("draws 8 × 8 without sizes, and in a string says its name where it is of another", () => {
    expect(`${causal()}`).toBe(causal().toString(8, 8));
    expect(causal().toSVG()).toBe(causal().toSVG(8, 8));
    expect(`${document([0, 1])}`).toBe("document");
    expect(() => document([0, 1]).toString(3)).toThrow(/one id per position/);
  });

  it("says its name, and leaves out what a terminal does not hold", () => {
    expect(and(causal(), not(window(1, -1))).name).toBe("and(causal, not(window(1, -1)))");
    const lines = rows(causal(), 200, 200, { queryOffset: 0 });
    expect([lines.length, lines.at(-1), lines[0]]).toEqual([121, "…", `■${"·".repeat(119)}…`]);
  });

  it("draws itself as SVG with a title: a rectangle per run of keys and block of like rows, verdicts on tiles where asked", () => {
    expect(causal().toSVG(4, 4)).toMatch(/^<svg[^>]*>.*<title>causal: 4 queries.*<path/);
    expect(fixed(2, 1).toSVG(300, 300, { queryOffset: 0 }).split("h1v1h-1z").length).toBeGreaterThan(1);
    const striped = blocks(
      tensor([
        [true, false],
        [false, true],
      ]),
      50,
    ).toSVG(100, 100);
    expect(striped).toContain(`d="M0 0h50v50h-50zM50 50h50v50h-50z"`);
    const tiled = window(3, 3).toSVG(100, 100, { tile: 10 });
    expect(tiled.match(/stroke="#c8501e"/g)?.length).toBe(1);
    expect(document([0, 0, 1, 1], [0, 1]).toSVG(2, 4)).not.toContain("NaN");
    expect(not(window(1, -1)).toSVG(0, 0)).toMatch(/width="0" height="0"/);
  });

  it("gives heads numbers of their own: windows, dilations", () => {
    const perHead = and(causal(), dilated(1, tensor([[1, 2]], { dtype: "int32" })));
    expect(perHead.heads).toBe(2);
    expect(perHead.name).toBe("and(causal, dilated(1, dilation))");
    const [near, far] = (perHead.toTensor(4, 4).toArray() as boolean[][][][])[0]!;
    const text = (plane: boolean[][]) => plane.map((row) => row.map((open) => (open ? "■" : "·")).join(""));
    expect(text(near!)).toEqual(["■···", "■■··", "·■■·", "··■■"]);
    expect(text(far!)).toEqual(["■···", "·■··", "■·■·", "·■·■"]);
  });

  it("makes Longformer's and BigBird's patterns of windows, global tokens and random blocks", () => {
    expect(rows(or(window(1, 1), globalTokens([2])), 5, 5)).toEqual(["■■■··", "■■■··", "■■■■■", "··■■■", "··■■■"]);
    const bigBird = or(window(1, 1), globalTokens([0]), randomBlocks({ key: randomKey(1), block: 2, count: 1 }));
    expect(bigBird.name).toBe("or(window(1, 1), globalTokens, randomBlocks(2, 1))");
    expect(rows(bigBird, 6, 6)[0]).toBe("■■■■■■");
  });

  it("counts verdicts on tiles", () => {
    const { down, across, verdicts } = causal().tiles(100, 100, { rows: 50, columns: 50 });
    expect([down, across, ...verdicts]).toEqual([2, 2, 2, 0, 1, 2]);
    expect(causal().tiles(65, 1).verdicts).toEqual(Uint8Array.of(0, 1)); // 64 queries stand before the only key
  });
});

describe("planning", () => {
  const n = 65_536;
  const large: TermContext = { B: 1, H: 1, L: n, S: n, queryOffset: 0 };

  it(
    "never holds an L × S array: causal ∧ window ∧ document of 65,536 × 65,536 reads each row once, and takes less than 2 MB",
    { retry: 3 },
    () => {
      const inner = and(causal(), window(255, 0), document(Int32Array.from({ length: n }, (_, j) => Math.floor(j / 1000))));
      let steps = 0;
      const counted = intervalMask("counted", {}, (context) => {
        const rows = inner.rows(context);
        return {
          ...rows,
          fill: (b, h, first, count, into) => {
            const before = into.ends[into.rows];
            rows.fill(b, h, first, count, into);
            steps += count + (into.ends[into.rows] - before) / 2;
          },
        };
      });
      steps = 0;
      const before = process.memoryUsage(); // of the whole process, so other tests may be seen in it: hence the retries
      const start = performance.now();
      const form = counted.lower(large);
      const milliseconds = performance.now() - start;
      const after = process.memoryUsage();
      const bytes = after.arrayBuffers - before.arrayBuffers + Math.max(0, after.heapUsed - before.heapUsed);
      console.log(`planning causal ∧ window ∧ document, 65,536 × 65,536: ${milliseconds.toFixed(1)} ms, ${(bytes / 1e6).toFixed(2)} MB`);
      expect(form.form === "ranges" && form.bounds.length).toBe(2 * n);
      expect(steps).toBe(2 * n);
      expect(bytes).toBeLessThan(2e6);
    },
  );

  it("plans rows of many ranges by tiles, in steps of ranges and tiles", () => {
    const scattered = and(causal(), document(Int32Array.from({ length: n }, (_, j) => Math.floor(j / 4096) % 2)));
    const start = performance.now();
    const form = scattered.lower(large);
    console.log(`planning causal ∧ scattered documents, 65,536 × 65,536: ${(performance.now() - start).toFixed(1)} ms`);
    if (form.form !== "tiles") throw new Error(form.form);
    // The tiles of the diagonal are mixed, half of what lies below it is full.
    expect(form.verdicts.filter((v) => v === 2).length).toBe(n / 64);
    expect(form.verdicts.filter((v) => v === 1).length).toBe(64 * (64 * 8 * 7 + (16 * 63) / 2));
    expect(form.bits.length).toBe((n / 64) * 512);
  });
});
