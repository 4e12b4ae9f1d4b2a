import { ShapeError, tensor, type Tensor } from "@heed/tensor";
import { expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { patchify, unpatchify } from "./index.ts";

const orders = ["channelsFirst", "channelsLast"] as const;
const size = (most: number) => fc.integer({ min: 1, max: most });
const geometry = fc.record({
  B: size(2),
  C: size(3),
  rows: size(3),
  columns: size(3),
  h: size(4),
  w: size(4),
  order: fc.constantFrom(...orders),
});

describe("patchify", () => {
  it("is undone by unpatchify, and undoes it", () => {
    fc.assert(
      fc.property(geometry, ({ B, C, rows, columns, h, w, order }) => {
        const options = { patchSize: [h, w] as const, order, height: rows * h, width: columns * w };
        const images = randomTensor([B, C, rows * h, columns * w], 1);
        const patches = patchify(images, options);
        expect(patches.shape).toEqual([B, rows * columns, C * h * w]);
        expectClose(unpatchify(patches, options), images);
        expectClose(patchify(unpatchify(patches, options), options), patches);
      }),
    );
  });

  it("numbers patches row by row, and their pixels as the order says", () => {
    const image = tensor(
      Float32Array.from({ length: 24 }, (_, i) => i),
      { shape: [1, 2, 2, 6] },
    ); // two channels of 2 × 6
    const patchSize = [2, 3] as const;
    expect(patchify(image, { patchSize }).toArray()).toEqual([
      [
        [0, 1, 2, 6, 7, 8, 12, 13, 14, 18, 19, 20],
        [3, 4, 5, 9, 10, 11, 15, 16, 17, 21, 22, 23],
      ],
    ]);
    expect(patchify(image, { patchSize, order: "channelsLast" }).slice(1, 0, 1).toArray()).toEqual([
      [[0, 12, 1, 13, 2, 14, 6, 18, 7, 19, 8, 20]],
    ]);
  });

  it.each(orders)("has the gradient of its central differences (%s)", (order) => {
    expectGradient((x: Tensor) => patchify(x, { patchSize: [2, 3], order }), [[2, 2, 4, 3]]);
    expectGradient((x: Tensor) => unpatchify(x, { patchSize: [2, 3], order, height: 4, width: 3 }), [[2, 2, 12]]);
  });

  it("says what does not fit", () => {
    const images = randomTensor([1, 3, 8, 10]);
    expect(() => patchify(images, { patchSize: 4 })).toThrow(
      "patchify: images must be [B, C, H, W] with H and W multiples of the patch; got images [1, 3, 8, 10], patchSize [4, 4]. Resize or crop them.",
    );
    expect(() => patchify(images.reshape([3, 8, 10]), { patchSize: 2 })).toThrow(ShapeError);
    expect(() => patchify(images, { patchSize: 0 })).toThrow("patchSize must be a whole number or a pair, from 1 on");
    const patches = randomTensor([1, 4, 12]);
    expect(() => unpatchify(patches, { patchSize: 2, height: 4, width: 6 })).toThrow(
      "patches must be [B, (height / h) · (width / w), C · h · w]",
    );
    expect(() => unpatchify(patches, { patchSize: 2, height: 4, width: 5 })).toThrow("height and width must be multiples of the patch");
  });
});
