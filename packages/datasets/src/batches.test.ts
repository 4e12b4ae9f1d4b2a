import { randomKey, ShapeError } from "@heed/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { batchCount, batchIndices } from "./batch-indices.ts";
import { batches, batchTensors, imageBatch, type BatchOptions } from "./batches.ts";
import { imageSet, subset } from "./image-set.ts";
import { patchworks } from "./patchworks/patchworks.ts";
import { pixelStatistics } from "./pixel-statistics.ts";

const key = randomKey(3);
const set = patchworks(key.split("set"), { count: 23, size: 32 });
const [C, H, W] = [3, 32, 32];

it("visits every example once per epoch, in an order of the key and the epoch", () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 50 }),
      fc.integer({ min: 1, max: 20 }),
      fc.nat({ max: 9 }),
      fc.boolean(),
      (count, batchSize, epoch, dropLast) => {
        const found = [...batchIndices(count, { batchSize, key, epoch, dropLast })];
        expect(found.length).toBe(batchCount(count, { batchSize, dropLast }));
        for (const [i, batch] of found.entries())
          expect(batch.length).toBe(i < found.length - 1 || dropLast ? batchSize : count - i * batchSize);
        const all = found.flatMap((batch) => [...batch]);
        expect(new Set(all).size).toBe(all.length);
        expect(all.length).toBe(dropLast ? count - (count % batchSize) : count);
        expect(all.every((index) => index < count)).toBe(true);
        expect([...batchIndices(count, { batchSize, key, epoch, dropLast })]).toEqual(found);
      },
    ),
  );
  const orderOf = (epoch: number): number[] => [...batchIndices(23, { batchSize: 23, key, epoch })].flatMap((batch) => [...batch]);
  expect(orderOf(0)).not.toEqual(orderOf(1));
  expect([...batchIndices(5, { batchSize: 2, shuffle: false })].map((batch) => [...batch])).toEqual([[0, 1], [2, 3], [4]]);
});

it("repeats an interrupted run bit for bit: same order, same changes, from any batch of any epoch", () => {
  const options: BatchOptions = {
    batchSize: 4,
    key,
    epoch: 2,
    statistics: pixelStatistics(set),
    augment: { shift: 3, horizontalFlip: true, brightness: 0.2, contrast: 0.3 },
  };
  const whole = [...batches(set, options)];
  expect(whole).toHaveLength(6);
  expect([...batches(set, { ...options, firstBatch: 4 })]).toEqual(whole.slice(4));
  expect([...batches(set, { ...options, epoch: 3 })]).not.toEqual(whole);
});

it("changes a picture independently of the batch it is in", () => {
  const augment = { shift: 5, horizontalFlip: true };
  const pictureOf = (batchSize: number, index: number): Float32Array => {
    for (const { images, indices } of batches(set, { batchSize, key, augment })) {
      const at = indices.indexOf(index);
      if (at >= 0) return images.slice(at * C * H * W, (at + 1) * C * H * W);
    }
    throw new Error("not found");
  };
  expect(pictureOf(7, 11)).toEqual(pictureOf(2, 11));
});

it("normalises: over the training set each channel has mean 0 and deviation 1", () => {
  const statistics = pixelStatistics(set);
  const [{ images, labels, shape }] = batches(set, { batchSize: 23, key, statistics });
  expect(shape).toEqual([23, C, H, W]);
  expect(labels).toHaveLength(23);
  for (let c = 0; c < C; c++) {
    const values = Array.from({ length: 23 * H * W }, (_, i) => images[(Math.floor(i / (H * W)) * C + c) * H * W + (i % (H * W))]);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    // Each value carries a rounding error of 2⁻²⁴ of at most 4; means of them err less.
    expect(Math.abs(mean)).toBeLessThan(3e-7);
    expect(Math.abs(values.reduce((a, b) => a + b * b, 0) / values.length - 1)).toBeLessThan(3e-6);
  }
});

it("gives pixels 0 … 1 without statistics, planes in order, labels with their pictures", () => {
  const { images, labels, indices } = imageBatch(set, [4, 0, 22]);
  expect([...indices]).toEqual([4, 0, 22]);
  expect([...labels]).toEqual([set.labels[4], set.labels[0], set.labels[22]]);
  const expected = [4, 0, 22].flatMap((n) =>
    Array.from(set.images.subarray(n * C * H * W, (n + 1) * C * H * W), (value) => Math.fround(value / 255)),
  );
  expect([...images]).toEqual(expected);
});

describe("augmentation", () => {
  const ramp = imageSet(
    Uint8Array.from({ length: 6 * 5 }, (_, i) => i * 8),
    Int32Array.of(0),
    { channels: 1, height: 5, width: 6, classNames: ["ramp"] },
  );
  const variants = (augment: BatchOptions["augment"], epochs = 300): number[][] =>
    Array.from({ length: epochs }, (_, epoch) =>
      [...[...batches(ramp, { batchSize: 1, key, epoch, augment })][0].images].map((value) => Math.round(value * 255)),
    );

  it("shifts by every distance up to the given one, and fills with the mean", () => {
    const seen = new Set<string>();
    for (const image of variants({ shift: 2 })) {
      // Which shift would give this picture?
      const fits = [-2, -1, 0, 1, 2]
        .flatMap((dy) => [-2, -1, 0, 1, 2].map((dx) => [dy, dx]))
        .filter(([dy, dx]) =>
          image.every((value, i) => {
            const [y, x] = [Math.floor(i / 6) + dy, (i % 6) + dx];
            return value === (y < 0 || y > 4 || x < 0 || x > 5 ? 128 : (y * 6 + x) * 8);
          }),
        );
      expect(fits).toHaveLength(1);
      seen.add(String(fits[0]));
    }
    expect(seen.size).toBe(25);
  });

  it("mirrors half of the pictures, shifted or not", () => {
    const straight = variants({});
    const plain = straight[0];
    const mirror = plain.map((_, i) => plain[Math.floor(i / 6) * 6 + 5 - (i % 6)]);
    const seen = variants({ horizontalFlip: true });
    expect(seen.every((image) => String(image) === String(plain) || String(image) === String(mirror))).toBe(true);
    const mirrored = seen.filter((image) => String(image) === String(mirror)).length;
    expect(Math.abs(mirrored - 150)).toBeLessThan(4 * Math.sqrt(75));
    // The mirrored, shifted picture is the mirror of a shifted one: its first pixels come from the same rows.
    const shifted = variants({ shift: 1 });
    const both = variants({ shift: 1, horizontalFlip: true });
    const turned = both.filter((image, i) => String(image) !== String(shifted[i]));
    expect(turned.length).toBe(mirrored);
    expect(
      turned.every((image) =>
        image
          .filter((_, i) => i % 6 > 0 && i % 6 < 5)
          .every((value, i, inner) => i % 4 === 0 || value === 128 || inner[i - 1] === 128 || value < inner[i - 1]),
      ),
    ).toBe(true);
  });

  it("brightens and stretches within 0 … 1", () => {
    for (const image of variants({ brightness: 1, contrast: 1 }, 50)) {
      expect(image.every((value, i) => value >= 0 && value <= 255 && (i === 0 || value >= image[i - 1]))).toBe(true);
    }
    expect(new Set(variants({ brightness: 0.1 }, 50).map(String)).size).toBeGreaterThan(20);
  });
});

it("hands batches over as tensors", () => {
  const { images, labels } = batchTensors(imageBatch(set, [1, 2]));
  expect(images).toMatchObject({ shape: [2, C, H, W], dtype: "float32" });
  expect(labels).toMatchObject({ shape: [2], dtype: "int32" });
  expect(labels.toArray()).toEqual([set.labels[1], set.labels[2]]);
});

it("refuses what makes no batch", () => {
  const start = (options: BatchOptions): unknown => [...batches(set, options)];
  for (const batchSize of [0, -1, 1.5, Number.NaN]) expect(() => start({ batchSize, key })).toThrow(ShapeError);
  expect(() => start({ batchSize: 2 })).toThrow(/shuffling needs a key/);
  expect(() => start({ batchSize: 2, shuffle: false, augment: { shift: 1 } })).toThrow(/augmenting needs a key/);
  expect(() => start({ batchSize: 2, key, augment: { shift: 0.5 } })).toThrow(/augment\.shift/);
  expect(() => start({ batchSize: 2, key, augment: { contrast: 2 } })).toThrow(/augment\.contrast/);
  expect(() => start({ batchSize: 2, key, statistics: { mean: [0], std: [1] } })).toThrow(/one mean and one std per channel/);
  expect(() => imageBatch(set, [23])).toThrow(/below 23/);
  expect(() => subset(set, [-1])).toThrow(ShapeError);
});
