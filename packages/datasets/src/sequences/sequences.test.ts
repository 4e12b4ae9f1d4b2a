import { randomKey } from "@heed/tensor";
import fc from "fast-check";
import { expect, it } from "vitest";
import { lengthBuckets, padded, paddedFrames } from "../index.ts";

const key = randomKey(7);
const lengths = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 200 });

it("gives every sequence once an epoch, in batches within the limit", () => {
  fc.assert(
    fc.property(lengths, fc.nat(3), fc.boolean(), (all, epoch, counted) => {
      const limit = counted ? { batchSize: 8 } : { maxElements: 120 };
      const batches = [...lengthBuckets(all, { ...limit, key, epoch })];
      expect(batches.flatMap((batch) => [...batch]).sort((a, b) => a - b)).toEqual(all.map((_, i) => i));
      for (const batch of batches) {
        const longest = Math.max(...Array.from(batch, (i) => all[i]!));
        if (counted) expect(batch.length).toBeLessThanOrEqual(8);
        else expect(longest * batch.length).toBeLessThanOrEqual(120);
      }
      expect([...lengthBuckets(all, { ...limit, key, epoch, firstBatch: 2 })]).toEqual(batches.slice(2));
      expect([...lengthBuckets(all, { ...limit, key, epoch })]).toEqual(batches);
    }),
  );
});

it("pads less than batches in random order, and mixes anew each epoch", () => {
  const all = Array.from({ length: 1000 }, (_, i) => 1 + ((i * 37) % 60));
  const waste = (bucketBatches: number) => {
    let [held, room] = [0, 0];
    for (const batch of lengthBuckets(all, { batchSize: 16, key, bucketBatches })) {
      const own = Array.from(batch, (i) => all[i]!);
      held += own.reduce((a, b) => a + b, 0);
      room += Math.max(...own) * own.length;
    }
    return room / held - 1;
  };
  expect(waste(1)).toBeGreaterThan(0.7);
  expect(waste(16)).toBeLessThan(0.12);
  const epochs = [0, 1].map((epoch) => [...lengthBuckets(all, { batchSize: 16, key, epoch })].map((batch) => [...batch]));
  expect(epochs[0]).not.toEqual(epochs[1]);
});

it("puts sequences side by side, filled up, with their lengths", () => {
  const { ids, lengths: own } = padded([[1, 2, 3], [], [4]], { padding: -1 });
  expect([ids.toArray(), ids.dtype]).toEqual([
    [
      [1, 2, 3],
      [-1, -1, -1],
      [4, -1, -1],
    ],
    "int32",
  ]);
  expect([...own]).toEqual([3, 0, 1]);
  expect(padded([], {}).ids.shape).toEqual([0, 0]);
  expect(padded([[1]], { length: 3 }).ids.toArray()).toEqual([[1, 0, 0]]);
  const frames = paddedFrames([Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6)], 2);
  expect([frames.frames.toArray(), [...frames.lengths]]).toEqual([
    [
      [
        [1, 2],
        [3, 4],
      ],
      [
        [5, 6],
        [0, 0],
      ],
    ],
    [2, 1],
  ]);
});

it("says what is wrong", () => {
  expect(() => padded([[1, 2]], { length: 1 })).toThrow("padded: length must hold the longest sequence; got length 1, longest 2");
  expect(() => paddedFrames([Float32Array.of(1)], 2)).toThrow(
    "paddedFrames: a sequence holds whole frames; got sequence 0, numbers 1, width 2",
  );
  expect(() => [...lengthBuckets([1], { key })]).toThrow("lengthBuckets: give batchSize or maxElements");
  expect(() => [...lengthBuckets([9], { key, maxElements: 8 })]).toThrow(
    "a sequence alone is longer than maxElements; got longest 9, maxElements 8",
  );
  expect(() => [...lengthBuckets([9], { key, batchSize: 0 })]).toThrow("size must be a whole number from 1 on");
});
