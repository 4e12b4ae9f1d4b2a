import { gzipSync } from "node:zlib";
import { FormatError } from "@heed/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseIdx } from "./parse-idx.ts";
import { readIdx } from "./read-idx.ts";

function idx(type: number, shape: number[], body: Uint8Array | number[]): Uint8Array {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head.set([0, 0, type, shape.length]);
  shape.forEach((length, axis) => head.writeUInt32BE(length, 4 + 4 * axis));
  return new Uint8Array(Buffer.concat([head, Uint8Array.from(body)]));
}

const pictures = idx(
  0x08,
  [2, 3, 5],
  Array.from({ length: 30 }, (_, i) => i * 8),
);

it("reads bytes, plain and gzip alike", async () => {
  const plain = await readIdx(pictures);
  expect(plain).toMatchObject({ dtype: "uint8", shape: [2, 3, 5] });
  expect([...plain.data]).toEqual(Array.from({ length: 30 }, (_, i) => i * 8));
  expect(await readIdx(new Uint8Array(gzipSync(pictures)))).toEqual(plain);
});

it.each([
  ["int8", 0x09, [255, 1], [-1, 1]],
  ["int16", 0x0b, [255, 254, 1, 2], [-2, 258]],
  ["int32", 0x0c, [0, 1, 0, 0, 255, 255, 255, 255], [65536, -1]],
  ["float32", 0x0d, [0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0], [1, -2]],
  ["float64", 0x0e, [0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0], [1, -2]],
])("reads big-endian %s", (dtype, type, body, values) => {
  const array = parseIdx(idx(type, [2], body));
  expect(array.dtype).toBe(dtype);
  expect([...array.data]).toEqual(values);
});

it("reads an array without elements, and one that begins anywhere in its buffer", () => {
  expect(parseIdx(idx(0x08, [0, 28, 28], []))).toMatchObject({ shape: [0, 28, 28], data: new Uint8Array(0) });
  const shifted = new Uint8Array(pictures.length + 3);
  shifted.set(pictures, 3);
  expect(parseIdx(shifted.subarray(3)).data).toEqual(parseIdx(pictures).data);
});

describe("says in one sentence what is wrong", () => {
  const zipped = new Uint8Array(gzipSync(pictures));
  const broken: [string, Uint8Array, RegExp][] = [
    ["an empty file", new Uint8Array(0), /ends within its header/],
    ["a header cut off", pictures.subarray(0, 9), /ends within its header/],
    ["another format", Buffer.from("PK\u0003\u0004"), /begins with two zero bytes/],
    ["an unknown type", idx(0x0a, [1], [1]), /third byte of an IDX file is its type.*0x0a/],
    ["no dimension", idx(0x08, [], []), /number of dimensions, 1 to 8; got file "t", dimensions 0/],
    [
      "too many dimensions",
      idx(
        0x08,
        Array.from({ length: 9 }, () => 1),
        [1],
      ),
      /number of dimensions/,
    ],
    [
      "fewer bytes than promised",
      pictures.subarray(0, -1),
      /shorter than its header promises; got file "t", shape \[2, 3, 5\], promised 46, bytes 45/,
    ],
    ["more bytes than promised", Uint8Array.from([...pictures, 0]), /longer than its header promises/],
    ["lengths of 2⁹⁶ bytes", idx(0x08, [2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1], [1]), /beyond any file/],
    ["gzip cut off", zipped.subarray(0, -9), /gzip data are damaged or cut off/],
    ["gzip damaged", zipped.with(15, zipped[15] ^ 85), /damaged|promises|begins|type|dimensions/],
    ["gzip of fewer bytes than promised", new Uint8Array(gzipSync(pictures.subarray(0, -1))), /shorter than its header promises/],
    ["gzip of more bytes than promised", new Uint8Array(gzipSync(Uint8Array.from([...pictures, 0]))), /longer than its header promises/],
    ["gzip of a header cut off", new Uint8Array(gzipSync(pictures.subarray(0, 9))), /ends within its header/],
    [
      "gzip that promises what it cannot hold",
      new Uint8Array(gzipSync(idx(0x08, [60000, 28, 28], []))),
      /more than the compressed bytes can hold/,
    ],
  ];
  it.each(broken)("of %s", async (_, bytes, message) => {
    const error: unknown = await readIdx(bytes, { name: "t" }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(FormatError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toMatch(/^readIdx: [^\n]*$/);
  });

  it("of a gzip bomb: 100 MB of zeros are not unpacked", async () => {
    const bomb = new Uint8Array(gzipSync(Buffer.concat([idx(0x08, [1], [1]), new Uint8Array(1e8)])));
    const before = process.memoryUsage().arrayBuffers;
    await expect(readIdx(bomb)).rejects.toThrow(/longer than its header promises/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  });

  it("of a file longer than maxBytes", async () => {
    const zeros = new Uint8Array(gzipSync(idx(0x08, [5000], new Uint8Array(5000))));
    await expect(readIdx(zeros, { maxBytes: 1000 })).rejects.toThrow(/longer than 1000 bytes.*give a larger maxBytes/);
    expect((await readIdx(zeros, { maxBytes: 5008 })).shape).toEqual([5000]);
  });
});

it("never does anything to arbitrary or mutated bytes but throw FormatError", async () => {
  const attempt = async (bytes: Uint8Array): Promise<void> => {
    try {
      const { shape, data } = await readIdx(bytes);
      expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
      expect(data.byteLength).toBeLessThanOrEqual(1032 * bytes.length);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  };
  const headed = fc.tuple(
    fc.constantFrom(8, 9, 11, 12, 13, 14),
    fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
    fc.uint8Array({ maxLength: 200 }),
  );
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), attempt), { numRuns: 500, seed: 1 });
  await fc.assert(
    fc.asyncProperty(headed, ([type, shape, body]) => attempt(idx(type, shape, body))),
    { numRuns: 500, seed: 2 },
  );
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(edits, fc.boolean(), (changes, zip) => {
      const bytes = Uint8Array.from(zip ? gzipSync(pictures) : pictures);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return attempt(bytes);
    }),
    { numRuns: 500, seed: 3 },
  );
});
