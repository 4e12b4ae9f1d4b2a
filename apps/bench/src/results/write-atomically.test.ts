import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { errorData, sentence } from "../errors.ts";
import { type FileSystem, writeAtomically } from "./write-atomically.ts";

let folder: string;
beforeEach(() => void (folder = fs.mkdtempSync(join(tmpdir(), "heed-"))));
afterEach(() => fs.rmSync(folder, { recursive: true }));

/** A disk with room for so many more bytes: takes a part of the last write, then refuses, as real ones do. */
function fullAfter(bytes: number): FileSystem {
  let left = bytes;
  return {
    ...fs,
    writeSync: ((file: number, buffer: Uint8Array, offset: number, length: number) => {
      if (left === 0) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
      const taken = Math.min(left, length);
      left -= taken;
      return fs.writeSync(file, buffer, offset, taken);
    }) as typeof fs.writeSync,
  };
}

it("replaces the old content by the new", () => {
  const path = join(folder, "a");
  writeAtomically(path, "old");
  writeAtomically(path, [Buffer.from("new "), Buffer.from("content")]);
  expect(fs.readFileSync(path, "utf8")).toBe("new content");
  expect(fs.readdirSync(folder)).toEqual(["a"]);
});

it.each([0, 1, 5, 9])("keeps the old file, and leaves no other, when the disk is full after %i bytes", (room) => {
  const path = join(folder, "a");
  writeAtomically(path, "old");
  let thrown: unknown;
  try {
    writeAtomically(path, [Buffer.from("12345"), Buffer.from("67890")], fullAfter(room));
  } catch (error) {
    thrown = error;
  }
  expect(sentence(errorData(thrown))).toBe(`the disk is full: ${path} could not be written; what was there before is unharmed.`);
  expect(fs.readFileSync(path, "utf8")).toBe("old");
  expect(fs.readdirSync(folder)).toEqual(["a"]);
});

it("writes all of it when the system takes it in pieces", () => {
  const path = join(folder, "a");
  const inPieces: FileSystem = {
    ...fs,
    writeSync: ((file: number, buffer: Uint8Array, offset: number, length: number) =>
      fs.writeSync(file, buffer, offset, Math.min(3, length))) as typeof fs.writeSync,
  };
  writeAtomically(path, "0123456789", inPieces);
  expect(fs.readFileSync(path, "utf8")).toBe("0123456789");
});
