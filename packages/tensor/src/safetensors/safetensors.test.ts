import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "@heed/kernels";
import { tensor, zeros } from "../core/construct.ts";
import { bytesPer, type DType } from "../core/dtype.ts";
import { transpose } from "../operations/views.ts";
import { sizeOf } from "../core/shape.ts";
import { readSafetensors } from "./read.ts";
import { writeSafetensors } from "./write.ts";

/** A file with this header (text, or an object to be JSON), and as many bytes of data. */
function file(header: unknown, data: number | readonly number[] = 0, headerLength?: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = typeof data === "number" ? new Array<number>(data).fill(0) : data;
  const all = new Uint8Array(8 + json.length + bytes.length);
  new DataView(all.buffer).setBigUint64(0, BigInt(headerLength ?? json.length), true);
  all.set(json, 8);
  all.set(bytes, 8 + json.length);
  return all;
}

const entry = (dtype: string, shape: unknown, begin: number, end: number) => ({ dtype, shape, data_offsets: [begin, end] });

const dtypes: readonly DType[] = ["float32", "float64", "float16", "bfloat16", "int32", "uint8", "bool"];
const anyTensor = fc
  .record({ dtype: fc.constantFrom(...dtypes), shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }) })
  .chain(({ dtype, shape }) =>
    fc.uint8Array({ minLength: sizeOf(shape) * bytesPer(dtype), maxLength: sizeOf(shape) * bytesPer(dtype) }).map((bytes) => {
      if (dtype === "bool")
        return tensor(
          bytes.map((byte) => byte & 1),
          { shape, dtype },
        );
      const types = {
        float32: Float32Array,
        float64: Float64Array,
        float16: Uint16Array,
        bfloat16: Uint16Array,
        int32: Int32Array,
        uint8: Uint8Array,
      };
      return tensor(new types[dtype](bytes.slice().buffer), { shape, dtype });
    }),
  );
const anyName = fc
  .oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("__proto__", "constructor", "0", 'a"\\', ""))
  .filter((name) => name !== "__metadata__");

const bits = (x: ReturnType<typeof zeros>) => {
  const array = x.storage.read("test");
  return [...new Uint8Array(array.buffer, array.byteOffset, array.byteLength)];
};

describe("a written file", () => {
  it("reads back with the same names, shapes, dtypes, bits (NaN payloads too) and metadata", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyName, anyTensor), { maxLength: 5 }), fc.dictionary(fc.string(), fc.string()), (list, metadata) => {
        const tensors = new Map(list);
        const bytes = writeSafetensors(tensors, metadata);
        const back = readSafetensors(bytes);
        expect(Object.keys(back.tensors).sort()).toEqual([...tensors.keys()].sort());
        for (const [name, x] of tensors) {
          const y = back.tensors[name];
          expect([y.dtype, y.shape]).toEqual([x.dtype, x.shape]);
          expect(bits(y)).toEqual(bits(x));
        }
        expect(Object.entries(back.metadata)).toEqual(Object.entries(metadata));
        expect(writeSafetensors(tensors, metadata)).toEqual(bytes);
      }),
    );
  });

  it("begins its data at a multiple of 8 and aligns every tensor to its item", () => {
    const bytes = writeSafetensors({
      a: zeros([3], { dtype: "uint8" }),
      b: zeros([2], { dtype: "float64" }),
      c: zeros([1], { dtype: "float16" }),
      d: zeros([5]),
    });
    const headerLength = new DataView(bytes.buffer).getUint32(0, true);
    expect(headerLength % 8).toBe(0);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength))) as Record<string, { data_offsets: number[] }>;
    expect(header.b.data_offsets).toEqual([0, 16]);
    expect(header.d.data_offsets).toEqual([16, 36]);
    expect(header.c.data_offsets).toEqual([36, 38]);
    expect(header.a.data_offsets).toEqual([38, 41]);
  });

  it("holds the elements of a view in its logical order", () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(readSafetensors(writeSafetensors({ x: transpose(x) })).tensors.x.toArray()).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
    ]);
  });

  it("refuses __metadata__ as a name, names that UTF-8 cannot hold, and metadata that is no string", () => {
    expect(() => writeSafetensors({ __metadata__: zeros([1]) })).toThrow(FormatError);
    expect(() => writeSafetensors({ "\ud800": zeros([1]) })).toThrow(FormatError);
    expect(() => writeSafetensors({}, { step: 3 as unknown as string })).toThrow(/step "number"/);
  });
});

describe("reading", () => {
  it("takes data that stand unaligned, and a view into a larger buffer", () => {
    const whole = file({ a: entry("U8", [1], 0, 1), b: entry("F32", [1], 1, 5) }, [7, 0, 0, 128, 63]);
    const padded = new Uint8Array(whole.length + 3);
    padded.set(whole, 3);
    const { tensors } = readSafetensors(padded.subarray(3));
    expect(tensors.b.toArray()).toEqual([1]);
  });

  it("reads I64 as int32 where values fit, and names the element where one does not", () => {
    const low = [255, 255, 255, 255, 255, 255, 255, 255, 5, 0, 0, 0, 0, 0, 0, 0];
    const { x } = readSafetensors(file({ x: entry("I64", [2], 0, 16) }, low)).tensors;
    expect([x.dtype, x.toArray()]).toEqual(["int32", [-1, 5]]);
    expect(() => readSafetensors(file({ x: entry("I64", [1], 0, 8) }, [0, 0, 0, 128, 0, 0, 0, 0]))).toThrow(
      /entry "x": I64 .*element 0 2147483648/,
    );
  });

  const bad: [string, Uint8Array, RegExp][] = [
    ["an empty file", new Uint8Array(0), /8 bytes/],
    ["a header longer than the file", file({}, 0, 500), /header length 500/],
    ["a header length near 2^64", file({}, 0, 2 ** 63), /header length/],
    ["a header that is not JSON", file("{]"), /JSON in UTF-8/],
    ["a header that is a list", file("[]"), /brace/],
    ["a header that is a number", file("12"), /brace/],
    ["an empty header", file(""), /brace/],
    [
      "broken UTF-8",
      (() => {
        const f = file('{"a":0}');
        f[10] = 0xff;
        return f;
      })(),
      /UTF-8/,
    ],
    [
      "a name that occurs twice",
      file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
      /entry "a": the name must not occur twice/,
    ],
    [
      "a key that occurs twice within an entry",
      file('{"a":{"dtype":"U8","dtype":"F32","shape":[1],"data_offsets":[0,1]}}', 1),
      /entry "dtype": the name/,
    ],
    ["an entry that is null", file({ a: null }), /entry "a": must be an object/],
    ["an unknown dtype", file({ a: entry("F8_E4M3", [1], 0, 1) }, 1), /entry "a": dtype must be one of F64.*"F8_E4M3"/],
    ["a negative length", file({ a: entry("F32", [-1], 0, 4) }, 4), /entry "a": shape/],
    ["a fractional length", file({ a: entry("F32", [0.5, 2], 0, 4) }, 4), /entry "a": shape/],
    ["a length that is a string", file({ a: entry("F32", ["1"], 0, 4) }, 4), /entry "a": shape/],
    ["offsets beyond the data", file({ a: entry("F32", [2], 0, 8) }, 4), /entry "a": data_offsets .*\[0, 8\], bytes of data 4/],
    ["offsets that run backwards", file({ a: entry("F32", [0], 4, 0) }, 4), /entry "a": data_offsets/],
    ["offsets that are no pair", file({ a: { dtype: "F32", shape: [1], data_offsets: [0] } }, 4), /entry "a": data_offsets/],
    [
      "a shape that needs more than its offsets",
      file({ a: entry("F32", [3], 0, 8) }, 8),
      /entry "a": shape times width .*bytes expected 12/,
    ],
    ["a shape whose product overflows", file({ a: entry("F32", [2 ** 40, 2 ** 40], 0, 8) }, 8), /entry "a": shape times width/],
    ["a product that is right only modulo 2^64", file({ a: entry("U8", [2 ** 33, 2 ** 31], 0, 0) }), /entry "a": shape times width/],
    [
      "overlapping data",
      file({ a: entry("U8", [4], 0, 4), b: entry("U8", [4], 2, 6) }, 6),
      /entry "b": .*overlaps; got data_offsets start 2, expected 4/,
    ],
    ["a gap", file({ a: entry("U8", [2], 0, 2), b: entry("U8", [2], 3, 5) }, 5), /entry "b": .*gaps/],
    ["bytes after the last entry", file({ a: entry("U8", [2], 0, 2) }, 3), /cover all data/],
    ["metadata that is no object of strings", file({ __metadata__: { a: 1 } }), /__metadata__/],
    ["a bool that is 2", file({ a: entry("BOOL", [2], 0, 2) }, [1, 2]), /entry "a": BOOL .*element 1 2/],
  ];
  it.each(bad)("refuses %s", (_, bytes, message) => {
    expect(() => readSafetensors(bytes)).toThrow(FormatError);
    expect(() => readSafetensors(bytes)).toThrow(message);
  });

  it("survives any bytes: a file with bytes changed reads, or throws a FormatError", () => {
    const good = writeSafetensors(
      {
        w: tensor([
          [1, 2],
          [3, 4],
        ]),
        ids: tensor([1, 2], { dtype: "int32" }),
      },
      { step: "3" },
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.nat(good.length),
        (changes, cut) => {
          const bytes = good.slice(0, cut % 3 === 0 ? cut : good.length);
          for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte;
          try {
            readSafetensors(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        },
      ),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.json(), fc.nat(40), (json, data) => {
        try {
          readSafetensors(file(json, data));
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
    );
  });

  it("answers a header of deep nesting or one long name at once", () => {
    expect(() => readSafetensors(file("{" + '"a":['.repeat(1) + "[".repeat(100_000)))).toThrow(FormatError);
    const name = "n".repeat(5_000_000);
    expect(Object.keys(readSafetensors(file({ [name]: entry("U8", [0], 0, 0) })).tensors)[0].length).toBe(name.length);
  });
});
