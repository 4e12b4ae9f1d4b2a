import { expect, it } from "vitest";
import { ProtobufWriter } from "./writer.ts";

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
const written = (write: (w: ProtobufWriter) => unknown) => {
  const writer = new ProtobufWriter();
  write(writer);
  return hex(writer.finish());
};

// The first four are the examples of the encoding guide (protobuf.dev).
it.each<[string, (w: ProtobufWriter) => unknown, string]>([
  ["a varint of two bytes", (w) => w.varint(1, 150), "08 96 01"],
  ["a string", (w) => w.string(2, "testing"), "12 07 74 65 73 74 69 6e 67"],
  ["a message inside a message", (w) => w.message(3, (inner) => inner.varint(1, 150)), "1a 03 08 96 01"],
  ["packed varints", (w) => w.packedVarints(6, [3, 270, 86942]), "32 06 03 8e 02 9e a7 05"],
  ["zero", (w) => w.varint(1, 0), "08 00"],
  ["127, the last of one byte", (w) => w.varint(1, 127), "08 7f"],
  ["128, the first of two", (w) => w.varint(1, 128), "08 80 01"],
  ["a negative number in ten bytes", (w) => w.varint(1, -1), "08 ff ff ff ff ff ff ff ff ff 01"],
  ["the least int64", (w) => w.varint(1, -(2n ** 63n)), "08 80 80 80 80 80 80 80 80 80 01"],
  ["a number above 2³²", (w) => w.varint(1, 2 ** 40), "08 80 80 80 80 80 20"],
  ["a field number above 15, in a tag of two bytes", (w) => w.varint(20, 1), "a0 01 01"],
  ["a float", (w) => w.fixed32(2, 1), "15 00 00 80 3f"],
  ["a double", (w) => w.fixed64(1, -2), "09 00 00 00 00 00 00 00 c0"],
  ["packed floats", (w) => w.packedFixed32(7, [1, -Infinity]), "3a 08 00 00 80 3f 00 00 80 ff"],
  ["text beyond ASCII, counted in bytes", (w) => w.string(1, "√"), "0a 03 e2 88 9a"],
  [
    "empty bytes, strings and messages, but no empty lists",
    (w) =>
      w
        .bytes(1, new Uint8Array())
        .string(2, "")
        .message(3, () => {})
        .packedVarints(4, [])
        .packedFixed32(5, []),
    "0a 00 12 00 1a 00",
  ],
])("writes %s", (_, write, expected) => {
  expect(written(write)).toBe(expected);
});

it("takes a length of more than one byte, also around a message", () => {
  const text = written((w) => w.message(1, (inner) => inner.bytes(1, new Uint8Array(200)))).split(" ");
  expect(text.slice(0, 6)).toEqual(["0a", "cb", "01", "0a", "c8", "01"]);
  expect(text).toHaveLength(206);
});
