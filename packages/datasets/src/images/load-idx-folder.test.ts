import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { FormatError } from "@heed/tensor";
import { afterEach, describe, expect, it } from "vitest";
import { classCounts } from "../image-set.ts";
import { loadIdxFolder } from "./load-idx-folder.ts";
import { loadImages } from "./load-images.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

function idx(shape: number[], body: number[]): Buffer {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head.set([0, 0, 8, shape.length]);
  shape.forEach((length, axis) => head.writeUInt32BE(length, 4 + 4 * axis));
  return Buffer.concat([head, Uint8Array.from(body)]);
}

const good = {
  "train-images-idx3-ubyte": idx([3, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
  "train-labels-idx1-ubyte": idx([3], [1, 0, 1]),
  "t10k-images-idx3-ubyte": idx([1, 2, 2], [20, 21, 22, 23]),
  "t10k-labels-idx1-ubyte": idx([1], [2]),
};

async function folderOf(files: Record<string, Uint8Array | undefined>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "heed-"));
  folders.push(root);
  for (const [name, bytes] of Object.entries(files)) if (bytes !== undefined) await writeFile(join(root, name), bytes);
  return root;
}

it("reads the four files, plain or gzip, with a hyphen or a dot in their names", async () => {
  const plain = await loadIdxFolder(await folderOf(good));
  expect(plain.train).toMatchObject({ count: 3, channels: 1, height: 2, width: 2, classNames: ["0", "1", "2"] });
  expect([...plain.train.images]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  expect([...plain.train.labels, ...plain.test.labels]).toEqual([1, 0, 1, 2]);
  const zipped = Object.fromEntries(Object.entries(good).map(([name, bytes]) => [`${name.replace("-idx", ".idx")}.gz`, gzipSync(bytes)]));
  expect(await loadIdxFolder(await folderOf(zipped))).toEqual(plain);
});

it("puts pictures into the middle of larger ones, repeats the channel, and shrinks", async () => {
  const root = await folderOf(good);
  const { test } = await loadImages(root, { size: 4 });
  const plane = [0, 0, 0, 0, 0, 20, 21, 0, 0, 22, 23, 0, 0, 0, 0, 0];
  expect([...test.images]).toEqual([...plane, ...plane, ...plane]);
  const small = await loadIdxFolder(root, { size: 1 });
  expect([...small.train.images]).toEqual([3, 7, 11]); // the means 2.5, 6.5, 10.5
  const limited = await loadIdxFolder(root, { limitPerClass: 1 });
  expect([...limited.train.labels]).toEqual([1, 0]);
});

describe("says in one sentence what is wrong with", () => {
  const wrong: [string, Record<string, Uint8Array | undefined>, RegExp][] = [
    [
      "a missing file",
      { ...good, "t10k-labels-idx1-ubyte": undefined },
      /an IDX file is missing; got file ".*t10k-labels-idx1-ubyte\(\.gz\)"/,
    ],
    [
      "counts that differ",
      { ...good, "train-labels-idx1-ubyte": idx([2], [1, 0]) },
      /as many labels as pictures; got file ".*train-labels-idx1-ubyte", pictures 3, labels 2/,
    ],
    ["labels in place of pictures", { ...good, "train-images-idx3-ubyte": good["train-labels-idx1-ubyte"] }, /bytes in 3 dimensions/],
    [
      "a file cut off",
      { ...good, "train-images-idx3-ubyte": good["train-images-idx3-ubyte"].subarray(0, 20) },
      /shorter than its header promises; got file ".*train-images-idx3-ubyte"/,
    ],
    ["another magic number", { ...good, "train-images-idx3-ubyte": Buffer.from("hello, world") }, /begins with two zero bytes/],
    [
      "no pictures",
      { ...good, "train-images-idx3-ubyte": idx([0, 2, 2], []), "train-labels-idx1-ubyte": idx([0], []) },
      /holds no pictures/,
    ],
  ];
  it.each(wrong)("%s", async (_, files, message) => {
    const error: unknown = await loadImages(await folderOf(files)).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(FormatError);
    expect((error as Error).message).toMatch(message);
  });

  it("a folder that is not there, and too few class names", async () => {
    await expect(loadIdxFolder("/no/such/folder")).rejects.toThrow(/there is no such folder; got folder "\/no\/such\/folder"/);
    await expect(loadIdxFolder(await folderOf(good), { classNames: ["a", "b"] })).rejects.toThrow(/more classes than classNames/);
  });
});

it("reads MNIST: 60,000 and 10,000 digits, and the first labels", { timeout: 60_000 }, async ({ skip }) => {
  const root = fileURLToPath(new URL("../../../../../shared/data/mnist", import.meta.url));
  if (!existsSync(root)) return skip("../shared/data/mnist is not there");
  const { train, test } = await loadIdxFolder(root);
  expect([train.count, test.count, train.height, train.width, train.channels]).toEqual([60000, 10000, 28, 28, 1]);
  expect([...train.labels.subarray(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
  expect([...test.labels.subarray(0, 10)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
  expect([...classCounts(test)]).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
});
