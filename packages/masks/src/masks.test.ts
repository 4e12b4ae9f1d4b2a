import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tensor } from "@heed/tensor";
import { randomTensor } from "@heed/tensor/testing";
import type { MaskForm, TermContext } from "@heed/tensor/terms";
import { and, causal, document, fromDropMask, fromTensor, not, or, padding, window, type DrawableMask } from "./index.ts";
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

  it("says its name, and leaves out what a terminal does not hold", () => {
    expect(and(causal(), not(window(1, -1))).name).toBe("and(causal, not(window(1, -1)))");
    const lines = rows(causal(), 200, 200, { queryOffset: 0 });
    expect([lines.length, lines.at(-1), lines[0]]).toEqual([121, "…", `■${"·".repeat(119)}…`]);
  });

  it("draws itself as SVG with a title", () => {
    expect(causal().toSVG(4, 4)).toMatch(/^<svg[^>]*>.*<title>causal: 4 queries.*<path/);
  });

  it("says what is wrong with its input", () => {
    expect(() => window(-2, 0)).toThrow(/window: left must be a whole number/);
    expect(() => padding([1.5])).toThrow(/lengths\[0\] 1.5/);
    expect(() => padding([1, 2]).toTensor(2, 2, { B: 3 })).toThrow(/one length per sample.*samples B 3, lengths 2/);
    expect(() => fromTensor(tensor([[0, 1]]))).toThrow(/a mask is boolean/);
    expect(() => fromTensor(tensor([true]))).toThrow(/a mask is \[L, S\], \[H, L, S\] or \[B, H, L, S\]; got mask \[1\]/);
    expect(() => fromTensor(tensor([[true, false]])).toTensor(1, 3)).toThrow(/the mask must broadcast to \[B, H, L, S\]/);
    expect(() => causal().toTensor(1.5, 2)).toThrow(/causal: L must be a whole number/);
    expect(() => causal().toTensor(1, 2, { B: 3, queryOffset: Int32Array.of(0, 1) })).toThrow(
      /one queryOffset per sample; got samples B 3, offsets 2/,
    );
    expect(() => and(causal(), {} as DrawableMask)).toThrow(/and: only masks of this package combine here.*fromTensor\(mask\)/);
  });
});

describe("lowering", () => {
  const bit = () => fc.boolean();
  const mask = fc.letrec<{ mask: DrawableMask }>((tie) => ({
    mask: fc.oneof(
      { maxDepth: 3, depthIdentifier: "m" },
      fc.constant(causal()),
      fc.tuple(fc.integer({ min: -1, max: 5 }), fc.integer({ min: -1, max: 5 })).map(([l, r]) => window(l, r)),
      fc.tuple(fc.nat(9), fc.nat(9)).map((lengths) => padding(lengths)),
      fc.array(fc.nat(2), { minLength: 7, maxLength: 7 }).map((ids) => document(ids)),
      fc
        .array(fc.array(bit(), { minLength: 7, maxLength: 7 }), { minLength: 5, maxLength: 5 })
        .map((bits) => fromTensor(tensor(bits, { dtype: "bool" }))),
      fc.tuple(tie("mask"), tie("mask")).map(([a, b]) => and(a, b)),
      fc.tuple(tie("mask"), tie("mask")).map(([a, b]) => or(a, b)),
      tie("mask").map(not),
    ),
  })).mask;

  it("says the same as the dense definition, whatever the combination", () => {
    const context: TermContext = { B: 2, H: 3, L: 5, S: 7, queryOffset: 1 };
    fc.assert(
      fc.property(mask, (one) => {
        const dense = one.dense(context);
        const [batches, heads] = dense.shape;
        const bits = dense.toTypedArray();
        const form = one.lower(context);
        for (let b = 0; b < batches; b++) {
          for (let h = 0; h < heads; h++) {
            for (let i = 0; i < 5; i++)
              for (let j = 0; j < 7; j++) expect(allows(form, b, h, i, j, 5, 7)).toBe(bits[((b * heads + h) * 5 + i) * 7 + j] === 1);
          }
        }
      }),
    );
  });

  it("obeys De Morgan", () => {
    const context: TermContext = { B: 2, H: 1, L: 5, S: 7, queryOffset: 2 };
    fc.assert(
      fc.property(mask, mask, (a, b) => {
        expect([...not(and(a, b)).dense(context).toTypedArray()]).toEqual([...or(not(a), not(b)).dense(context).toTypedArray()]);
      }),
    );
  });

  it("says the same on many tiles, whose edges the sizes do not meet", () => {
    const [L, S] = [131, 200];
    const context: TermContext = { B: 1, H: 1, L, S, queryOffset: 3 };
    const scattered = document(Int32Array.from({ length: S }, (_, j) => Math.floor(j / 40) % 2));
    const bits = fromTensor(randomTensor([L, S], 5, { dtype: "bool" }));
    for (const one of [scattered, not(scattered), or(scattered, window(70, 0)), and(bits, not(window(64, 64))), or(bits, window(80, 10))]) {
      const form = one.lower(context);
      expect(form.form).toBe("tiles");
      const dense = one.dense(context).toTypedArray();
      for (let i = 0; i < L; i++) for (let j = 0; j < S; j++) expect(allows(form, 0, 0, i, j, L, S)).toBe(dense[i * S + j] === 1);
      // Only mixed tiles have bits.
      if (form.form === "tiles") expect(form.bits.length).toBe(form.verdicts.filter((v) => v === 2).length * 512);
    }
  });

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

function allows(form: MaskForm, b: number, h: number, i: number, j: number, L: number, S: number): boolean {
  const group = (form.batches === 1 ? 0 : b) * form.heads + (form.heads === 1 ? 0 : h);
  if (form.form === "ranges") {
    const at = (group * L + i) * form.ranges * 2;
    return Array.from({ length: form.ranges }, (_, k) => j >= form.bounds[at + 2 * k] && j < form.bounds[at + 2 * k + 1]).some(Boolean);
  }
  const across = Math.ceil(S / form.columns);
  const tile = (group * Math.ceil(L / form.rows) + Math.floor(i / form.rows)) * across + Math.floor(j / form.columns);
  if (form.verdicts[tile] !== 2) return form.verdicts[tile] === 1;
  const bit = (i % form.rows) * form.columns + (j % form.columns);
  return ((form.bits[form.bitsAt[tile] + (bit >> 3)] >> (bit & 7)) & 1) === 1;
}
