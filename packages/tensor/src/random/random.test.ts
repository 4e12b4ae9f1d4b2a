import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeedError } from "@heed/kernels";
import { bernoulli } from "./bernoulli.ts";
import { threefry } from "@heed/kernels";
import { normal } from "./normal.ts";
import { permutation, randomOrder } from "./permutation.ts";
import { randomIntegers } from "./random-integers.ts";
import { parseRandomKey, randomKey, type RandomKey } from "./random-key.ts";
import { randomStream } from "./random-stream.ts";
import { randomWords } from "./random-words.ts";
import { truncatedNormal } from "./truncated-normal.ts";
import { uniform } from "./uniform.ts";

const words = (key: RandomKey, length: number, start = 0) => [...randomWords(key, new Uint32Array(length), start)];
const hex = (values: Iterable<number>) => [...values].map((value) => value.toString(16).padStart(8, "0"));

/** Mean and deviation. */
function moments(values: ArrayLike<number>): [number, number] {
  const n = values.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += values[i] / n;
  let variance = 0;
  for (let i = 0; i < n; i++) variance += (values[i] - mean) ** 2 / n;
  return [mean, Math.sqrt(variance)];
}

describe("threefry", () => {
  // The known answers that Random123 1.14.0 ships for threefry2x32 with 20 rounds (tests/kat_vectors).
  it.each([
    [
      [0, 0],
      [0, 0],
      ["6b200159", "99ba4efe"],
    ],
    [
      [0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      ["1cb996fc", "bb002be7"],
    ],
    [
      [0x13198a2e, 0x03707344],
      [0x243f6a88, 0x85a308d3],
      ["c4923a9c", "483df7a0"],
    ],
  ])("of key %j and counter %j is %j, as published", (key, counter, expected) => {
    const out = new Uint32Array(2);
    threefry(key[0], key[1], counter[0], counter[1], out, 0);
    expect(hex(out)).toEqual(expected);
  });
});

describe("a key", () => {
  it("gives word i whatever else is read, across the carry of the counter too", () => {
    const key = randomKey(11);
    const all = words(key, 41);
    fc.assert(
      fc.property(fc.nat(40), fc.nat(40), (start, length) => {
        const count = Math.min(length, 41 - start);
        expect(words(key, count, start)).toEqual(all.slice(start, start + count));
      }),
    );
    const around = 2 ** 33 - 3;
    expect(words(key, 7, around)).toEqual(Array.from({ length: 7 }, (_, i) => words(key, 1, around + i)[0]));
    expect(words(key, 2, 2 ** 33)).not.toEqual(words(key, 2, 0));
  });

  it("has the same words for ever: these are pinned", () => {
    expect(hex(words(randomKey(0), 2))).toEqual(["6b200159", "99ba4efe"]);
    expect([randomKey(7).split("weight"), randomKey(7).split(3), randomKey(-1)].map(String)).toMatchInlineSnapshot(`
      [
        "a8ca4ecfec1712c9",
        "3d6736f8412cfae1",
        "ffffffffffffffff",
      ]
    `);
  });

  it("splits into children that differ from each other, from grandchildren and from its own words", () => {
    const key = randomKey(5);
    const children = ["", "a", "b", "ab", "ba", "a\0", "\0a", 0, 1, -1, 2 ** 32, 2 ** 53 - 1, "0", "1"].map((name) => key.split(name));
    children.push(key, key.split("a").split("b"), key.split("b").split("a"), key.split(0).split(1), key.split(1).split(0));
    expect(new Set(children.map(String)).size).toBe(children.length);
    expect(String(key.split("a"))).toBe(String(randomKey(5).split("a")));
    const own = hex(words(key, 1000));
    for (const child of children.slice(0, 14)) expect(own).not.toContain(hex(child.words)[0]);
  });

  it("survives JSON, and nothing else is taken for one", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.string(), (seed, name) => {
        const key = randomKey(seed).split(name);
        const back = parseRandomKey((JSON.parse(JSON.stringify({ key })) as { key: string }).key);
        expect(back.words).toEqual(key.words);
      }),
    );
    for (const text of ["", "0123", "0123456789ABCDEF", "0123456789abcdef0"])
      expect(() => parseRandomKey(text)).toThrow(/parseRandomKey: a key is sixteen/);
  });

  it("refuses what is no integer seed, name or key", () => {
    expect(() => randomKey(0.5)).toThrow(/randomKey: seed must be a safe integer; got seed 0.5/);
    expect(() => randomKey(2 ** 53)).toThrow(HeedError);
    expect(() => randomKey(1).split(Number.NaN)).toThrow(/split/);
    expect(() => normal(7 as never, [2])).toThrow(/normal: key must be a RandomKey; got key "number"/);
  });
});

describe("words", () => {
  const many = randomWords(randomKey(1), new Uint32Array(1 << 18));

  it("have each bit set half the time, and neighbours that do not agree (5 sigma)", () => {
    const sigma = Math.sqrt(many.length) / 2;
    for (let bit = 0; bit < 32; bit++) {
      const set = many.reduce((sum, word) => sum + ((word >>> bit) & 1), 0);
      expect(Math.abs(set - many.length / 2)).toBeLessThan(5 * sigma);
      const same = many.reduce((sum, word, i) => sum + (1 & ~((word ^ many[(i + 1) % many.length]) >>> bit)), 0);
      expect(Math.abs(same - many.length / 2)).toBeLessThan(5 * sigma);
    }
  });

  it("fill bytes evenly: χ² of 255 degrees stays within 6 sigma", () => {
    const counts = new Float64Array(256);
    for (const byte of new Uint8Array(many.buffer)) counts[byte]++;
    const expected = (many.length * 4) / 256;
    const chi2 = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(Math.abs(chi2 - 255)).toBeLessThan(6 * Math.sqrt(2 * 255));
  });

  it("stream in order, and integers of a stream are in range", () => {
    const stream = randomStream(randomKey(3));
    expect(Array.from({ length: 130 }, () => stream.bits())).toEqual(words(randomKey(3), 130));
    for (let i = 0; i < 100; i++) expect(stream.integer(7)).toBeLessThan(7);
    expect(() => stream.integer(0)).toThrow(/below must be/);
  });
});

describe("uniform", () => {
  it("lies in [low, high), with mean and deviation of the uniform distribution", () => {
    for (const dtype of ["float32", "float64"] as const) {
      const values = uniform(randomKey(2), [100, 1000], { low: -3, high: 5, dtype }).toTypedArray();
      expect(Math.min(...values.slice(0, 50_000))).toBeGreaterThanOrEqual(-3);
      expect(values.every((value) => value < 5)).toBe(true);
      const [mean, deviation] = moments(values);
      expect(Math.abs(mean - 1)).toBeLessThan((5 * (8 / Math.sqrt(12))) / Math.sqrt(1e5));
      expect(Math.abs(deviation - 8 / Math.sqrt(12))).toBeLessThan(0.02);
    }
  });

  it("never reaches high, where the sum would round to it", () => {
    const values = uniform(randomKey(2), [10_000], { low: 1e7, high: 1e7 + 1 }).toTypedArray();
    expect(values.every((value) => value < 1e7 + 1)).toBe(true);
  });

  it("begins a longer draw with a shorter one, and takes empty and scalar shapes", () => {
    for (const dtype of ["float32", "float64"] as const) {
      const long = uniform(randomKey(4), [9001], { dtype }).toTypedArray();
      expect(uniform(randomKey(4), [17], { dtype }).toTypedArray()).toEqual(long.slice(0, 17));
    }
    expect(uniform(randomKey(4), []).shape).toEqual([]);
    expect(uniform(randomKey(4), [0, 3]).size).toBe(0);
  });

  it("says what is wrong with its bounds or dtype", () => {
    expect(() => uniform(randomKey(1), [2], { low: 2, high: 1 })).toThrow(
      /uniform: low and high must be finite, low at most high; got low 2, high 1/,
    );
    expect(() => uniform(randomKey(1), [2], { dtype: "int32" as never })).toThrow(/uniform: draws float32 or float64/);
    expect(() => uniform(randomKey(1), [-2])).toThrow(/uniform: lengths/);
  });
});

describe("normal", () => {
  it("has mean, deviation, skew and tails of the normal distribution (5 sigma)", () => {
    const n = 200_000;
    for (const dtype of ["float32", "float64"] as const) {
      const values = normal(randomKey(6), [n], { mean: 2, deviation: 3, dtype }).toTypedArray();
      const [mean, deviation] = moments(values);
      expect(Math.abs(mean - 2)).toBeLessThan((5 * 3) / Math.sqrt(n));
      expect(Math.abs(deviation - 3)).toBeLessThan((5 * 3) / Math.sqrt(2 * n));
      const standard = Array.from(values, (value) => (value - 2) / 3);
      expect(Math.abs(standard.reduce((sum, z) => sum + z ** 3, 0) / n)).toBeLessThan(5 * Math.sqrt(15 / n));
      expect(Math.abs(standard.reduce((sum, z) => sum + z ** 4, 0) / n - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
      // Beyond two deviations: 4.55 % of them.
      const beyond = standard.filter((z) => Math.abs(z) > 2).length / n;
      expect(Math.abs(beyond - 0.0455)).toBeLessThan(5 * Math.sqrt(0.0455 / n));
    }
  });

  it("begins a longer draw with a shorter one, odd lengths too", () => {
    for (const dtype of ["float32", "float64"] as const) {
      const long = normal(randomKey(4), [5001], { dtype }).toTypedArray();
      expect(normal(randomKey(4), [17], { dtype }).toTypedArray()).toEqual(long.slice(0, 17));
    }
  });

  it("makes leaves on request, and refuses a negative deviation", () => {
    expect(normal(randomKey(1), [2], { requiresGrad: true }).requiresGrad).toBe(true);
    expect(() => normal(randomKey(1), [2], { deviation: -1 })).toThrow(/deviation not negative/);
  });
});

describe("truncatedNormal", () => {
  it.each([
    [-2, 2, 0.8796],
    [0, Infinity, 0.6028],
    [-0.25, 0.25, undefined],
    [3, 4, undefined],
    [-Infinity, -5, undefined],
    [0.5, 0.75, undefined],
  ])("from %d to %d stays within, with the deviation of that distribution", (low, high, deviation) => {
    const values = truncatedNormal(randomKey(8), [20_000], { low, high }).toTypedArray();
    expect(values.every((value) => value >= low && value <= high)).toBe(true);
    if (deviation !== undefined) expect(Math.abs(moments(values)[1] - deviation)).toBeLessThan(0.02);
    // The mean of a tail of the standard normal distribution beyond 5 is 5.1865.
    if (high === -5) expect(Math.abs(moments(values)[0] + 5.1865)).toBeLessThan(0.01);
    expect(truncatedNormal(randomKey(8), [33], { low, high }).toTypedArray()).toEqual(values.slice(0, 33));
  });

  it("scales and moves, and refuses an empty interval", () => {
    const values = truncatedNormal(randomKey(8), [5000], { mean: 10, deviation: 0.02 }).toTypedArray();
    expect(values.every((value) => value > 9.9599 && value < 10.0401)).toBe(true);
    expect(() => truncatedNormal(randomKey(8), [1], { low: 1, high: 1 })).toThrow(/low below high/);
  });
});

describe("randomIntegers", () => {
  it("are in range and even, for ranges that do not divide 2^32 as well", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.integer({ min: 1, max: 2 ** 32 - 1 }), (low, range) => {
        const high = Math.min(low + range, 2 ** 31);
        expect(
          randomIntegers(randomKey(9), [50], low, high)
            .toTypedArray()
            .every((value) => value >= low && value < high),
        ).toBe(true);
      }),
    );
    // Three quarters of 2^32: without rejection the first third would come twice as often.
    const range = 3 * 2 ** 30;
    const values = randomIntegers(randomKey(9), [30_000], -(2 ** 31), range - 2 ** 31).toTypedArray();
    const counts = [0, 0, 0];
    for (const value of values) counts[Math.floor((value + 2 ** 31) / 2 ** 30)]++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(5 * Math.sqrt(20_000 / 3));
    expect(() => randomIntegers(randomKey(9), [1], 3, 3)).toThrow(/randomIntegers: low and high/);
  });
});

describe("permutation", () => {
  it("holds every number once, and each order of four as often as the others", () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(), (n, seed) => {
        expect([...permutation(randomKey(seed), n).toTypedArray()].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
      }),
    );
    const counts = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const order = randomOrder(randomKey(10).split(i), 4).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(1000));
    expect(() => permutation(randomKey(1), -1)).toThrow(/permutation: n must be/);
  });
});

describe("bernoulli", () => {
  it("is true with the probability asked for, always at 1 and never at 0", () => {
    const share = (p: number) => moments(bernoulli(randomKey(12), p, [100, 1000]).toTypedArray())[0];
    expect(share(0)).toBe(0);
    expect(share(1)).toBeCloseTo(1, 9);
    expect(Math.abs(share(0.3) - 0.3)).toBeLessThan(5 * Math.sqrt(0.21 / 1e5));
    expect(bernoulli(randomKey(12), 0.5, [3]).dtype).toBe("bool");
    expect(() => bernoulli(randomKey(1), 1.5, [1])).toThrow(/bernoulli: p must be from 0 to 1; got p 1.5/);
  });
});
