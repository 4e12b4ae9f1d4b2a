import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { concat, full, memory, noGrad, randomKey, scope, slice, stack, zeros, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, randomTensor } from "@heed/tensor/testing";
import { and, causal, padding, window } from "@heed/masks";
import { alibi, rope } from "@heed/positional";
import { attention, GroupedQueryAttention, KeyValueCache, MultiHeadAttention, type Rotation } from "../index.ts";

const key = randomKey(7);
const [B, E, H] = [2, 12, 4];
const rotations: Readonly<Record<string, Rotation | undefined>> = { "no rotation": undefined, rope };

/**
 * Rounding apart, a step is the whole pass: dot products of up to 12 + S terms, in another order where S differs, then a softmax and two more
 * products, of numbers around 1.
 */
const tolerance = 8 * 32 * 2 ** -24;

afterEach(() => {
  expect(memory().liveBytes, "live bytes after the test").toBe(0);
});

function inPieces(sizes: readonly number[], x: Tensor, step: (piece: Tensor) => Tensor): Tensor {
  let at = 0;
  return concat(
    sizes.map((n) => step(slice(x, 1, at, (at += n)))),
    1,
  );
}

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(Object.keys(rotations))("prefill and steps give what the whole call gives, with %s", (name) =>
    use(() => {
      const rotation = rotations[name];
      const module = new GroupedQueryAttention(E, H, { key, numKeyValueHeads: 2, ...(rotation === undefined ? {} : { rotation }) });
      const x = randomTensor([B, 15, E], 1);
      const options = { mask: causal(), bias: alibi({ numHeads: H }), softcap: 4 };
      const whole = module.forward(x, x, x, options);
      for (const sizes of [[11, ...Array<number>(4).fill(1)], [1, 2, 5, 7], [15]]) {
        const cache = new KeyValueCache({ capacity: 4 });
        const pieces = noGrad(() => inPieces(sizes, x, (piece) => module.forward(piece, piece, piece, { ...options, cache })));
        expectClose(pieces, whole, tolerance);
        expect([cache.length, [...cache.lengths]]).toEqual([15, [15, 15]]);
        cache.release();
      }
    }),
  );

  it("a window keeps what window(left, 0) lets a query see, and no more", () =>
    use(() => {
      const [left, L] = [5, 30];
      const module = new MultiHeadAttention(E, H, { key, numKeyValueHeads: 2, rotation: rope });
      const x = randomTensor([B, L, E], 2);
      const options = { mask: and(causal(), window(left, 0)) };
      const whole = module.forward(x, x, x, options);
      for (const sizes of [[9, ...Array<number>(21).fill(1)], Array<number>(10).fill(3)]) {
        const cache = new KeyValueCache({ capacity: 2, window: left });
        const pieces = noGrad(() => inPieces(sizes, x, (piece) => module.forward(piece, piece, piece, { ...options, cache })));
        expectClose(pieces, whole, tolerance);
        expect(cache.length).toBe(L);
        expect(cache.capacity).toBeLessThanOrEqual(2 * (left + Math.max(...sizes)));
        cache.release();
      }
    }));

  it("samples of different lengths go on where each of them ended, whatever their padding holds", () =>
    use(() => {
      const module = new MultiHeadAttention(E, H, { key, rotation: rope });
      const lengths = [7, 3];
      const x = randomTensor([B, 11, E], 3);
      const alone = lengths.map((n, b) => {
        const own = slice(slice(x, 0, b, b + 1), 1, 0, n + 4);
        return slice(module.forward(own, own, own, { mask: causal() }), 1, n, n + 4);
      });
      for (const rubbish of [0, NaN]) {
        const cache = new KeyValueCache({ capacity: 2 });
        noGrad(() => {
          const padded = concat(
            lengths.map((n, b) => concat([slice(slice(x, 0, b, b + 1), 1, 0, n), full([1, 7 - n, E], rubbish)], 1)),
            0,
          );
          module.forward(padded, padded, padded, { mask: causal(), cache, lengths });
          expect(cache.position).toEqual(Int32Array.from(lengths));
          const steps = [0, 1, 2, 3].map((step) => {
            const rows = concat(
              lengths.map((n, b) => slice(slice(x, 0, b, b + 1), 1, n + step, n + step + 1)),
              0,
            );
            return module.forward(rows, rows, rows, { mask: causal(), cache });
          });
          expectClose(concat(steps, 1), concat(alone, 0), tolerance);
        });
        cache.release();
      }
    }));
});

describe("KeyValueCache", () => {
  const rows = (n: number, seed = 1) => randomTensor([B, 2, n, 3], seed);

  it("appends in place, grows by doubling, and gives views", () => {
    const cache = new KeyValueCache({ capacity: 4 });
    expect([cache.capacity, cache.length, [...cache.lengths], cache.position]).toEqual([4, 0, [], 0]);
    const [a, b] = [rows(3, 1), rows(4, 2)];
    expect(cache.append(a, a).queryOffset).toBe(0);
    expect(cache.capacity).toBe(4);
    const { key: k, value: v, queryOffset } = cache.append(b, b);
    expect([cache.capacity, queryOffset, k.shape]).toEqual([14, 3, [B, 2, 7, 3]]);
    expectClose(k, concat([a, b], 2));
    expectClose(v, concat([a, b], 2));
    expect(k.storage.home).toBe("resident");
    expect(memory().liveBytes).toBe(2 * B * 2 * 14 * 3 * 4);
    cache.append(rows(1, 3), rows(1, 3));
    expectClose(k, concat([a, b], 2)); // Where there is room, what was given stays.
    cache.release();
  });

  it("keeps values of another width, in float64 too, and works inside scopes", () => {
    const cache = new KeyValueCache();
    const k = randomTensor([1, 1, 2, 3], 1, { dtype: "float64" });
    const v = randomTensor([1, 1, 2, 5], 2, { dtype: "float64" });
    scope(() => cache.append(k, v) && undefined);
    const both = scope(() => {
      const held = cache.append(k, v);
      return attention(k, held.key, held.value, { mask: causal(), queryOffset: held.queryOffset });
    });
    expectClose(both, attention(k, concat([k, k], 2), concat([v, v], 2), { mask: causal() }), 1e-12);
    cache.release();
  });

  it("takes samples anew", () => {
    const cache = new KeyValueCache({ capacity: 8 });
    const x = rows(5);
    cache.append(x, x, { lengths: [5, 2] });
    cache.select([1, 0, 1]);
    expect([...cache.lengths]).toEqual([2, 5, 2]);
    const part = (b: number) => slice(x, 0, b, b + 1);
    expectClose(cache.held().key, concat([part(1), part(0), part(1)], 0));
    const y = randomTensor([3, 2, 1, 3], 9);
    expect(cache.append(y, y).queryOffset).toEqual(Int32Array.of(2, 5, 2));
    expectClose(
      stack(
        [0, 2].map((b) =>
          cache
            .held()
            .key.slice(0, b, b + 1)
            .slice(2, 2, 3),
        ),
        0,
      ).reshape([2, 2, 1, 3]),
      concat([y.slice(0, 0, 1), y.slice(0, 2, 3)], 0),
    );
    expect(() => cache.select([3])).toThrow("select takes numbers of samples that are held; got samples [3], B 3");
    cache.release();
  });

  it("forgets and keeps its room; released, it takes nothing", () => {
    const cache = new KeyValueCache({ capacity: 2 });
    cache.append(rows(6), rows(6));
    cache.clear();
    expect([cache.length, cache.capacity]).toEqual([0, 6]);
    expectClose(cache.append(rows(2, 5), rows(2, 5)).key, rows(2, 5));
    cache.release();
    cache.release();
    expect(() => cache.append(rows(1), rows(1))).toThrow("KeyValueCache: it was released. Make a new one");
    expect(() => cache.held()).toThrow("nothing is held yet");
  });

  it("holds what an encoder said, for all steps of a decoder, of samples of different lengths", () => {
    const module = new MultiHeadAttention(E, H, { key });
    const [x, said] = [randomTensor([B, 3, E], 1), randomTensor([B, 5, E], 2)];
    const whole = module.forward(x, said, said, { mask: padding([5, 2]) });
    const cache = new KeyValueCache({ capacity: 1 });
    noGrad(() => {
      module.remember(cache, said, said, { lengths: [5, 2] });
      expectClose(module.recall(x, cache), whole, tolerance);
      expectClose(module.recall(slice(x, 1, 2, 3), cache), slice(whole, 1, 2, 3), tolerance);
      expect(cache.length).toBe(5);
    });
    cache.release();
  });

  it("says what is wrong", () => {
    const module = new MultiHeadAttention(E, H, { key });
    const x = randomTensor([B, 2, E]);
    const cache = new KeyValueCache();
    expect(() => module.forward(x, x, x, { cache })).toThrow(
      "KeyValueCache: it is written in place, so gradients cannot pass through it. Decode in noGrad(() => …) or predict(…)",
    );
    cache.append(rows(1), rows(1));
    noGrad(() => {
      expect(() => module.forward(x, x, x, { cache })).toThrow(
        "B, Hkv, D, E and dtype must be those of what is held; got key [2, 4, 2, 3]",
      );
      expect(() => module.forward(x, slice(x, 1, 0, 1), undefined, { cache: new KeyValueCache() })).toThrow(
        "MultiHeadAttention: with a cache, query and key must share their length",
      );
      expect(() => module.forward(x, x, x, { cache, queryOffset: 1 } as object)).toThrow("a cache says where queries stand");
    });
    expect(() => cache.append(zeros([2, 2, 3]), zeros([2, 2, 3]))).toThrow("key and value must be [B, Hkv, n, D] and [B, Hkv, n, E]");
    expect(() => cache.append(rows(2), rows(2), { lengths: [1] })).toThrow(
      "lengths must say for each sample how many of the n rows are real",
    );
    expect(() => cache.append(rows(2), rows(2), { lengths: [1, 3] })).toThrow("lengths must say for each sample");
    expect(() => new KeyValueCache({ capacity: 0 })).toThrow("capacity must be a whole number from 1 on; got capacity 0");
    expect(() => new KeyValueCache({ window: -1 })).toThrow("window must be a whole number, not negative; got window -1");
    cache.release();
  });

  const collect = globalThis.gc;
  it.skipIf(collect === undefined)("is released by the collector when it is dropped (needs --expose-gc)", async () => {
    (() => void new KeyValueCache().append(rows(1), rows(1)))();
    for (let i = 0; i < 50 && memory().liveBytes > 0; i++) {
      collect!();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(memory().liveBytes).toBe(0);
  });
});

it("holds what a list of rows would, whatever is appended, selected and forgotten", () => {
  const appends = fc.array(
    fc.record({ n: fc.integer({ min: 1, max: 6 }), ragged: fc.boolean(), selects: fc.boolean(), seed: fc.nat(99) }),
    {
      minLength: 1,
      maxLength: 12,
    },
  );
  fc.assert(
    fc.property(appends, fc.constantFrom(undefined, 0, 3), fc.integer({ min: 1, max: 9 }), (steps, left, capacity) => {
      const cache = new KeyValueCache({ capacity, ...(left === undefined ? {} : { window: left }) });
      let rows: number[][] = [[], [], []]; // of each sample, one number per row
      for (const { n, ragged, selects, seed } of steps) {
        const B = rows.length;
        const fresh = randomTensor([B, 1, n, 1], seed);
        const values = fresh.toArray() as number[][][][];
        const lengths = rows.map((_, b) => (ragged ? (seed + 3 * b) % (n + 1) : n));
        const before = rows.map(({ length }) => length);
        const { key: held, value, queryOffset } = cache.append(fresh, fresh, ragged ? { lengths } : {});
        expect(value.toArray()).toEqual(held.toArray());
        const shown = held.toArray() as number[][][][];
        rows.forEach((own, b) => {
          const offset = typeof queryOffset === "number" ? queryOffset : queryOffset[b];
          const all = [...own, ...values[b][0].map(([x]) => x)];
          const oldest = before[b] - offset; // where the first row that is shown stands
          expect(oldest).toBeLessThanOrEqual(left === undefined ? 0 : Math.max(0, before[b] - left));
          expect(shown[b][0].slice(0, all.length - oldest).map(([x]) => x)).toEqual(all.slice(oldest));
          rows[b] = all.slice(0, before[b] + lengths[b]);
        });
        expect([...cache.lengths]).toEqual(rows.map(({ length }) => length));
        if (!selects) continue;
        const samples = [seed % B, (seed + 1) % B, 0].slice(0, 2 + (seed % 2));
        cache.select(samples);
        rows = samples.map((b) => [...rows[b]]);
      }
      cache.release();
    }),
    { numRuns: 25, seed: 7 },
  );
});
