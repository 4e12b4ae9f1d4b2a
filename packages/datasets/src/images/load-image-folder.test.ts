import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FormatError, randomKey, ShapeError } from "@heed/tensor";
import { afterEach, describe, expect, it } from "vitest";
import cases from "../../test/pillow/cases.json" with { type: "json" };
import { encodePng } from "../../test/encode-png.ts";
import { classCounts } from "../image-set.ts";
import { listImageFolder } from "./list-image-folder.ts";
import { loadImageFolder } from "./load-image-folder.ts";
import { loadImages } from "./load-images.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

/** A folder with these files; `true` stands for a small PNG of its own colour. */
async function folderOf(files: Record<string, true | string | Uint8Array>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "heed-"));
  folders.push(root);
  for (const [i, [path, content]] of Object.entries(files).entries()) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    if (path.endsWith("/")) await mkdir(join(root, path));
    else await writeFile(join(root, path), content === true ? dot([i, i * 3, 200]) : content);
  }
  return root;
}

const dot = (colour: number[]): Buffer =>
  encodePng({
    width: 2,
    height: 2,
    depth: 8,
    colourType: 2,
    interlaced: false,
    samples: [...colour, ...colour, ...colour, ...colour],
    filters: [0],
  });
const pictures = (...paths: string[]): Record<string, true> => Object.fromEntries(paths.map((path) => [path, true]));
const two = pictures("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png", "dog/3.png");
const jpeg = Buffer.from(cases.decode.find(({ name }) => name === "jpeg 4:4:4")!.file, "base64");

it("takes classes from folders, sorted, and pictures by name, whatever their case", async () => {
  const root = await folderOf({
    ...pictures("b/x.PNG", "b/a.jpeg", "a/2.Jpg", "a/1.png", "Z/1.png", "Z/2.png"),
    "a/notes.txt": "…",
    "a/.hidden.png": "…",
    ".git/x.png": "…",
    "readme.md": "…",
  });
  const { classNames, files, labels, splitBy } = await listImageFolder(root);
  expect(classNames).toEqual(["Z", "a", "b"]);
  expect(files).toEqual(["Z/1.png", "Z/2.png", "a/1.png", "a/2.Jpg", "b/a.jpeg", "b/x.PNG"]);
  expect([...labels]).toEqual([0, 0, 1, 1, 2, 2]);
  expect(splitBy).toBe("key");
});

it("splits each class by the key, the same way each time", async () => {
  const many = pictures(...Array.from({ length: 30 }, (_, i) => `${i < 20 ? "a" : "b"}/${i}.png`));
  const root = await folderOf(many);
  const once = await listImageFolder(root, { key: randomKey(1), testFraction: 0.3 });
  expect(await listImageFolder(root, { key: randomKey(1), testFraction: 0.3 })).toEqual(once);
  expect((await listImageFolder(root, { key: randomKey(2), testFraction: 0.3 })).test).not.toEqual(once.test);
  expect(Array.from(once.test, (i) => once.labels[i]).filter((label) => label === 0).length).toBe(6);
  expect(once.test.length).toBe(9);
  expect([...once.train, ...once.test].sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i));
});

describe("with split lists", () => {
  const train = "# train\ncat/1.png\r\n\ndog/1.png\n./dog/2.png\n";
  const test = "cat/2.png\ndog/3.png";

  it("takes them from the folder, or from beside a folder named images", async () => {
    const inside = await listImageFolder(await folderOf({ ...two, "train.txt": train, "test.txt": test }));
    const root = await folderOf({
      ...Object.fromEntries(Object.keys(two).map((path) => [`images/${path}`, true as const])),
      "train.txt": train,
      "test.txt": test,
    });
    for (const found of [inside, await listImageFolder(root), await listImageFolder(join(root, "images"))]) {
      expect(found).toMatchObject({ classNames: ["cat", "dog"], splitBy: "lists" });
      expect(Array.from(found.train, (i) => found.files[i])).toEqual(["cat/1.png", "dog/1.png", "dog/2.png"]);
      expect(Array.from(found.test, (i) => found.files[i])).toEqual(["cat/2.png", "dog/3.png"]);
    }
  });

  it("takes the rest for the list that is not there", async () => {
    const found = await listImageFolder(await folderOf({ ...two, "test.txt": test }));
    expect(Array.from(found.train, (i) => found.files[i])).toEqual(["cat/1.png", "dog/1.png", "dog/2.png"]);
  });

  it("leaves out classes and pictures that no list names", async () => {
    const { train: learnt, test: tested } = await loadImageFolder(
      await folderOf({ ...two, ...pictures("ant/1.png", "dog/9.png"), "train.txt": train, "test.txt": test }),
      { size: 2 },
    );
    expect(learnt.classNames).toEqual(["cat", "dog"]);
    expect([...learnt.labels, ...tested.labels]).toEqual([0, 1, 1, 0, 1]);
  });

  const wrong: [string, Record<string, true | string>, RegExp][] = [
    [
      "names a missing picture",
      { ...two, "train.txt": "cat/1.png\ncat/7.png" },
      /names a picture that is not there; got list ".*train\.txt", line 2, file "cat\/7\.png"/,
    ],
    ["reaches out of the folder", { ...two, "train.txt": "../../etc/passwd" }, /names a picture that is not there/],
    [
      "shares a picture with the other",
      { ...two, "train.txt": train, "test.txt": "dog/1.png\ncat/2.png" },
      /in both split lists.*"dog\/1\.png"/,
    ],
    ["is empty", { ...two, "train.txt": "\n\n" }, /split list is empty/],
    [
      "has no picture of a class that the other has",
      { ...two, "train.txt": "cat/1.png", "test.txt": test },
      /no picture in the training list; got class "dog"/,
    ],
    [
      "takes the only picture of a class",
      { ...two, ...pictures("owl/1.png"), "train.txt": `${train}owl/1.png`, "test.txt": test },
      /no picture in the test list; got class "owl"/,
    ],
  ];
  it.each(wrong)("says when a list %s", async (_, files, message) => expectRefusal(await folderOf(files), message));
});

async function expectRefusal(root: string, message: RegExp): Promise<void> {
  const error: unknown = await loadImages(root, { size: 16 }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FormatError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).toMatch(/^\w+: [^\n]*\.$/);
}

describe("says in one sentence what is wrong with", () => {
  const wrong: [string, Record<string, true | string | Uint8Array>, RegExp][] = [
    ["an empty folder", {}, /holds no pictures; .*Put the pictures at <folder>\/<class>\/<file>\.jpg/],
    ["a folder without pictures", { "a/notes.txt": "…", "b/": "" }, /holds no pictures/],
    ["pictures without class folders", pictures("1.png", "2.png"), /no folder per class; got folder ".*", pictures 2/],
    ["a class folder without pictures", { ...two, "owl/readme.txt": "…" }, /a class folder holds no pictures; got folder ".*owl"/],
    ["a class with one picture", { ...two, ...pictures("owl/1.png") }, /a class needs two pictures or more.*owl", pictures 1/],
    ["a single class", pictures("cat/1.png", "cat/2.png"), /two classes or more/],
    ["an empty file", { ...two, "cat/3.jpg": "" }, /the file is empty; got file ".*cat.3\.jpg"/],
    [
      "a text file named .jpg",
      { ...two, "cat/3.jpg": "not a picture at all" },
      /neither a JPEG nor a PNG; got file ".*cat.3\.jpg", begins "not a pictur"/,
    ],
    [
      "a truncated JPEG",
      { ...two, "cat/3.jpg": jpeg.subarray(0, 400) },
      /the JPEG ends before its end-of-image marker, so a part is missing; got file ".*cat.3\.jpg"/,
    ],
  ];
  it.each(wrong)("%s", async (_, files, message) => expectRefusal(await folderOf(files), message));

  it("a folder that is not there, or no folder", async () => {
    const root = await folderOf({ "file.jpg": jpeg });
    await expectRefusal(join(root, "nowhere"), /there is no such folder; got folder ".*nowhere"/);
    await expectRefusal(join(root, "file.jpg"), /this is a file, not a folder/);
  });

  it("a link to nowhere", async () => {
    const root = await folderOf(two);
    await symlink(join(root, "gone.png"), join(root, "cat", "9.png"));
    await expectRefusal(root, /the file cannot be read; got file ".*cat.9\.png", reason "ENOENT"/);
  });

  it("a file that is longer, or a result that is larger, than allowed", async () => {
    const root = await folderOf(two);
    await expect(loadImageFolder(root, { maxFileBytes: 10 })).rejects.toThrow(/longer than 10 bytes/);
    await expect(loadImageFolder(root, { size: 64, maxBytes: 5 * 64 * 64 * 3 - 1 })).rejects.toThrow(
      /would take more than 61439 bytes; got pictures 5/,
    );
    for (const size of [0, -16, 1.5]) await expect(loadImageFolder(root, { size })).rejects.toThrow(ShapeError);
  });
});

it("gives planes of red, green and blue, with labels and names, and reports progress", async () => {
  const root = await folderOf({
    "a/1.png": dot([1, 2, 3]),
    "a/2.png": dot([4, 5, 6]),
    "b/1.png": dot([7, 8, 9]),
    "b/2.png": dot([10, 11, 12]),
    "train.txt": "b/1.png\na/2.png\n",
  });
  const seen: number[] = [];
  const { train, test } = await loadImageFolder(root, { size: 2, onProgress: ({ done, total }) => seen.push(done, total) });
  expect(train).toMatchObject({ count: 2, channels: 3, height: 2, width: 2, names: ["a/2.png", "b/1.png"], classNames: ["a", "b"] });
  expect([...train.images]).toEqual([4, 5, 6, 7, 8, 9].flatMap((value) => [value, value, value, value]));
  expect([...train.labels, ...test.labels]).toEqual([0, 1, 0, 1]);
  expect(seen).toEqual([2, 4, 4, 4]);
});

it("takes the first of each class when limited, and stops when told", async () => {
  const root = await folderOf(pictures(...Array.from({ length: 40 }, (_, i) => `${i % 2 === 0 ? "a" : "b"}/${i}.png`)));
  const { train, test } = await loadImageFolder(root, { size: 4, limitPerClass: 3 });
  expect([...classCounts(train), ...classCounts(test)]).toEqual([3, 3, 3, 3]);
  const stop = new AbortController();
  const loading = loadImageFolder(root, { size: 4, signal: stop.signal, onProgress: () => stop.abort(new Error("enough")) });
  await expect(loading).rejects.toThrow("enough");
});

describe("Caltech-101, small", () => {
  const root = fileURLToPath(new URL("../../../../../shared/data/caltech101-small/images", import.meta.url));
  const reason = "../shared/data/caltech101-small is not there";
  const counts = {
    Leopards: 200,
    Motorbikes: 400,
    airplanes: 400,
    bonsai: 128,
    brain: 98,
    buddha: 85,
    butterfly: 91,
    car_side: 123,
    chandelier: 107,
    ewer: 85,
    grand_piano: 99,
    hawksbill: 100,
    helicopter: 88,
    ibis: 80,
    kangaroo: 86,
    ketch: 114,
    laptop: 81,
    menorah: 87,
    revolver: 82,
    scorpion: 84,
    starfish: 86,
    sunflower: 85,
    trilobite: 86,
    watch: 239,
  };

  it("has 24 classes of the counts in its README, and the split of its lists", async ({ skip }) => {
    if (!existsSync(root)) return skip(reason);
    const { classNames, labels, train, test, splitBy } = await listImageFolder(root);
    expect(Object.fromEntries(classNames.map((name, label) => [name, labels.filter((one) => one === label).length]))).toEqual(counts);
    expect([train.length, test.length, splitBy]).toEqual([2499, 615, "lists"]);
  });

  it("loads, and gives grey pictures three equal channels", async ({ skip }) => {
    if (!existsSync(root)) return skip(reason);
    const { train } = await loadImageFolder(root, { size: 32, limitPerClass: 2 });
    expect(train.count).toBe(48);
    const plane = 32 * 32;
    const isGrey = (n: number): boolean =>
      train.images
        .subarray(n * 3 * plane, (n * 3 + 1) * plane)
        .every((value, i) => value === train.images[(n * 3 + 1) * plane + i] && value === train.images[(n * 3 + 2) * plane + i]);
    const grey = train.names!.filter((_, n) => isGrey(n));
    expect(grey).toEqual(expect.arrayContaining(["car_side/image_0001.jpg", "car_side/image_0002.jpg"]));
    expect(grey).not.toContain("sunflower/image_0001.jpg");
  });
});
