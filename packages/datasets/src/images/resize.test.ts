import { ShapeError } from "@heed/tensor";
import { expect, it } from "vitest";
import cases from "../../test/pillow/cases.json" with { type: "json" };
import { resize, resizeAndCrop } from "./resize.ts";

const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, "base64"));
const source = { width: cases.resize.width, height: cases.resize.height, data: bytesOf(cases.resize.pixels) };

it.each(cases.resize.cases)("gives the bytes of Pillow's bicubic filter: $name", ({ width, height, pixels }) => {
  expect(resize(source, width, height).data).toEqual(bytesOf(pixels));
});

it("computes a part as it computes the whole", () => {
  const whole = resize(source, 20, 45);
  const part = resize(source, 20, 45, { x: 3, y: 11, width: 7, height: 13 });
  for (let y = 0; y < 13; y++) {
    const from = ((11 + y) * 20 + 3) * 3;
    expect(part.data.subarray(y * 21, (y + 1) * 21)).toEqual(whole.data.subarray(from, from + 21));
  }
});

it.each([
  [200, 100],
  [100, 200],
  [7, 300],
  [64, 64],
  [1, 1],
])("crops the middle square out of %i × %i", (width, height) => {
  const image = { width, height, data: new Uint8Array(width * height * 3) };
  // Green in the middle square, red besides.
  const side = Math.min(width, height);
  const [left, top] = [(width - side) >> 1, (height - side) >> 1];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      image.data[(y * width + x) * 3 + (x >= left && x < left + side && y >= top && y < top + side ? 1 : 0)] = 255;
  const { width: w, height: h, data } = resizeAndCrop(image, 32);
  expect([w, h, data.length]).toEqual([32, 32, 32 * 32 * 3]);
  const middle = (16 * 32 + 16) * 3;
  expect([...data.subarray(middle, middle + 3)]).toEqual([0, 255, 0]);
});

it("takes no longer for a line of a million pixels than for a square of them", () => {
  const line = { width: 1 << 20, height: 1, data: new Uint8Array(3 << 20).fill(9) };
  expect(new Set(resizeAndCrop(line, 16).data)).toEqual(new Set([9]));
});

it("refuses sizes that are none", () => {
  for (const size of [0, -1, 1.5, Number.NaN]) expect(() => resizeAndCrop(source, size)).toThrow(ShapeError);
  expect(() => resize(source, 10, 10, { x: 5, y: 0, width: 6, height: 10 })).toThrow(ShapeError);
});
