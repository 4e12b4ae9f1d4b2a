import { createHash } from "node:crypto";
import { randomKey, randomStream, ShapeError } from "@heed/tensor";
import { describe, expect, it } from "vitest";
import { classCounts, type ImageSet } from "../image-set.ts";
import { patchworks, place, relations } from "./patchworks.ts";

const key = randomKey(7);

it("makes the same pictures from the same key, others from another, in any portions", () => {
  const whole = patchworks(key, { count: 40 });
  expect(patchworks(key, { count: 40 })).toEqual(whole);
  expect(patchworks(key.split("test"), { count: 40 }).images).not.toEqual(whole.images);
  const tail = patchworks(key, { count: 13, first: 27 });
  expect(tail.images).toEqual(whole.images.subarray(27 * 3 * 64 * 64));
  expect(tail.labels).toEqual(whole.labels.subarray(27));
});

it("makes the same bytes everywhere, also tomorrow", () => {
  const { images } = patchworks(randomKey(1), { count: 8, decoy: true });
  expect(createHash("sha256").update(images).digest("hex").slice(0, 16)).toBe("350b948fb0bee00e");
});

it.each([32, 48, 64, 128])("fits patches of 16 × 16 at size %i", (size) => {
  const set = patchworks(key, { count: 3, size });
  expect(set).toMatchObject({ count: 3, channels: 3, height: size, width: size });
  expect(set.classNames).toHaveLength(8);
  expect(set.images).toHaveLength(3 * 3 * size * size);
});

it("is balanced: each eight pictures hold every class once", () => {
  const set = patchworks(key, { count: 80, size: 32 });
  expect([...classCounts(set)]).toEqual(Array.from({ length: 8 }, () => 10));
  for (let i = 0; i < 80; i += 8) expect(new Set(set.labels.subarray(i, i + 8)).size).toBe(8);
});

it("refuses sizes that patches do not divide, and difficulties that are none", () => {
  for (const size of [0, 16, 60, 65, 64.5, Number.NaN])
    expect(() => patchworks(key, { count: 1, size })).toThrow(/^patchworks: size must be a multiple of 16, 32 or more/);
  for (const wrong of [
    { count: -1 },
    { count: 1.5 },
    { jitter: 2 },
    { noise: -1 },
    { contrast: Number.NaN },
    { distractors: 13 },
    { distractors: 0.5 },
    { first: -1 },
  ]) {
    expect(() => patchworks(key, { count: 1, ...wrong })).toThrow(ShapeError);
  }
});

describe("has no shortcut", { timeout: 60_000 }, () => {
  const train = patchworks(key.split("train"), { count: 1200 });
  const test = patchworks(key.split("test"), { count: 800 });
  // Four standard deviations of an accuracy over 800 pictures above what is possible.
  const atMost = (ceiling: number): number => ceiling + 4 * Math.sqrt((ceiling * (1 - ceiling)) / test.count);

  it("in colours: nearest centroid of the colour histogram stays at chance", () => {
    expect(nearestCentroid(train, test, histogram)).toBeLessThan(atMost(1 / 8));
  });

  it("in the mean patch: nearest centroid of the bag of 16 × 16 patches stays at chance", () => {
    expect(nearestCentroid(train, test, meanPatch)).toBeLessThan(atMost(1 / 8));
  });

  it("in the bag of textures: that tells horizontal from vertical stripes, and no more", () => {
    const accuracy = nearestCentroid(train, test, stripedness);
    expect(accuracy).toBeLessThan(atMost(1 / 4));
    expect(accuracy).toBeGreaterThan(0.18); // so the texture is really there to be seen
  });

  it("with a decoy: not even in the bag of textures", () => {
    const [a, b] = ["train", "test"].map((name, i) => patchworks(key.split(name), { count: [1200, 800][i], decoy: true }));
    expect(nearestCentroid(a, b, stripedness)).toBeLessThan(atMost(1 / 8));
  });

  it("in the place of one disc: it tells the relation in 11 of 24 cases", () => {
    const seen = relations.map(() => [new Float64Array(16), new Float64Array(16)]);
    const draws = 30_000;
    const random = randomStream(key.split("places"));
    for (const [r, relation] of relations.entries()) {
      for (let i = 0; i < draws; i++) place(random, relation, false, 0).forEach((cell, who) => seen[r][who][cell]++);
    }
    for (const who of [0, 1]) {
      let best = 0;
      for (let cell = 0; cell < 16; cell++) best += Math.max(...seen.map((one) => one[who][cell]));
      expect(best / (relations.length * draws)).toBeCloseTo(11 / 24, 2);
    }
  });

  it("in the number of discs in a place: distractors and decoy take any cell that is free", () => {
    const random = randomStream(key.split("cells"));
    for (const relation of relations) {
      for (let i = 0; i < 500; i++) {
        const cells = place(random, relation, true, 12);
        expect(new Set(cells).size).toBe(15);
        const [row, column] = [Math.floor(cells[1] / 4) - Math.floor(cells[0] / 4), (cells[1] % 4) - (cells[0] % 4)];
        const found = row === 0 ? (column < 0 ? "left of" : "right of") : column === 0 ? (row < 0 ? "above" : "below") : "apart";
        expect(found).toBe(relation);
        expect(Math.floor(cells[2] / 4) !== Math.floor(cells[0] / 4) && cells[2] % 4 !== cells[0] % 4).toBe(true);
      }
    }
  });
});

type Features = (picture: Uint8Array, size: number) => Float64Array;

function nearestCentroid(train: ImageSet, test: ImageSet, features: Features): number {
  const bytes = 3 * train.height * train.width;
  const featuresOf = (set: ImageSet, i: number): Float64Array => features(set.images.subarray(i * bytes, (i + 1) * bytes), set.height);
  const length = featuresOf(train, 0).length;
  const centroids = train.classNames.map(() => new Float64Array(length));
  const counts = classCounts(train);
  for (let i = 0; i < train.count; i++)
    featuresOf(train, i).forEach((value, k) => (centroids[train.labels[i]][k] += value / counts[train.labels[i]]));
  let right = 0;
  for (let i = 0; i < test.count; i++) {
    const vector = featuresOf(test, i);
    const distances = centroids.map((centroid) => centroid.reduce((sum, value, k) => sum + (value - vector[k]) ** 2, 0));
    if (distances.indexOf(Math.min(...distances)) === test.labels[i]) right++;
  }
  return right / test.count;
}

function histogram(picture: Uint8Array, size: number): Float64Array {
  const bins = new Float64Array(3 * 16);
  for (let i = 0; i < picture.length; i++) bins[Math.floor(i / (size * size)) * 16 + (picture[i] >> 4)]++;
  return bins;
}

function meanPatch(picture: Uint8Array, size: number): Float64Array {
  const patch = new Float64Array(3 * 256);
  for (let i = 0; i < picture.length; i++)
    patch[Math.floor(i / (size * size)) * 256 + (Math.floor(i / size) % 16) * 16 + (i % 16)] += picture[i];
  return patch;
}

/** What an ideal texture detector without a sense of place might see: how strong steps along x and along y are, patch by patch, sorted. */
function stripedness(picture: Uint8Array, size: number): Float64Array {
  const patches = size / 16;
  const [alongX, alongY] = [new Float64Array(patches ** 2), new Float64Array(patches ** 2)];
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < size - 1; y++) {
      for (let x = 0; x < size - 1; x++) {
        const i = (c * size + y) * size + x;
        const patch = (y >> 4) * patches + (x >> 4);
        alongX[patch] += Math.abs(picture[i + 1] - picture[i]);
        alongY[patch] += Math.abs(picture[i + size] - picture[i]);
      }
    }
  }
  return alongX.map((value, i) => value - alongY[i]).sort();
}
