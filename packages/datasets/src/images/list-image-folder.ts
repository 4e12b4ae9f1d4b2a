import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { FormatError, randomKey, type RandomKey } from "@heed/tensor";
import { stratifiedSplit } from "../stratified-split.ts";

/** The files of an ImageFolder, before any is opened. */
export interface ImageFolder {
  readonly root: string;
  /** Sorted by code point, so that labels do not depend on the machine's language. */
  readonly classNames: readonly string[];
  /** `<class>/<file>`, sorted, below `root`. */
  readonly files: readonly string[];
  /** `[files.length]`, each an index into `classNames`. */
  readonly labels: Int32Array;
  /** Indices into `files`. With split lists, files in neither list are in neither part. */
  readonly train: Int32Array;
  readonly test: Int32Array;
  /** Where the split comes from: `train.txt` and `test.txt`, or the key. */
  readonly splitBy: "lists" | "key";
}

const isPicture = /\.(jpe?g|png)$/i;
const where = "imageFolder";

/**
 * Lists `<root>/<class>/*.{jpg,jpeg,png}` and divides it into training and test pictures. Opens no picture.
 *
 * The split comes from `train.txt` and `test.txt`, lists of `<class>/<file>`, in `root` or beside it (with only one of them, the other
 * part is the rest); classes that no list names are left out. Without lists it is stratified, by `key`.
 * `root` may also be the folder that holds `images/` and the lists. Hidden files, and files that are not pictures by name, are skipped.
 *
 * @param options.key of the split without lists; default `randomKey(0)`
 * @param options.testFraction of that split; default 0.2
 * @throws {FormatError} when the folder is missing or holds no class folders, a class has no picture, or too few for both parts,
 *   a list names a file that is not there, or both lists name one.
 *
 * Time O(files).
 * @see torchvision's `ImageFolder`
 */
export async function listImageFolder(root: string, options: { key?: RandomKey; testFraction?: number } = {}): Promise<ImageFolder> {
  const entries = await list(root);
  const images = entries.find(({ name, isFolder }) => isFolder && name === "images");
  if (images !== undefined && entries.filter(({ isFolder }) => isFolder).length === 1)
    return listImageFolder(join(root, "images"), options);

  const classNames = entries.filter(({ isFolder }) => isFolder).map(({ name }) => name);
  if (classNames.length === 0) {
    const loose = entries.filter(({ name }) => isPicture.test(name)).length;
    const rule = loose === 0 ? "the folder holds no pictures" : "the folder holds pictures, but no folder per class";
    throw new FormatError(
      where,
      rule,
      { folder: root, pictures: loose },
      "Put the pictures at <folder>/<class>/<file>.jpg (or .jpeg, .png).",
    );
  }
  const files: string[] = [];
  const classOf: string[] = [];
  const empty: string[] = [];
  for (const name of classNames) {
    const pictures = (await list(join(root, name))).filter((entry) => !entry.isFolder && isPicture.test(entry.name));
    if (pictures.length === 0) empty.push(name);
    for (const picture of pictures) {
      files.push(`${name}/${picture.name}`);
      classOf.push(name);
    }
  }
  if (files.length === 0) {
    throw new FormatError(
      where,
      "the folder holds no pictures",
      { folder: root, folders: classNames.length },
      "Put the pictures at <folder>/<class>/<file>.jpg (or .jpeg, .png).",
    );
  }

  const lists = await readLists(root, files);
  const listed = lists === undefined ? undefined : new Set([...lists.train, ...lists.test].map((i) => classOf[i]));
  const kept = classNames.filter((name) => listed === undefined || listed.has(name));
  const emptyClass = empty.find((name) => kept.includes(name));
  if (emptyClass !== undefined) {
    throw new FormatError(
      where,
      "a class folder holds no pictures",
      { folder: join(root, emptyClass) },
      "Add pictures (.jpg, .jpeg or .png), or remove the folder.",
    );
  }
  if (kept.length === 1) {
    throw new FormatError(
      where,
      "there must be two classes or more to tell apart",
      { folder: root, class: kept[0] },
      "Give the folder that holds one folder per class.",
    );
  }

  const number = new Map(kept.map((name, i) => [name, i]));
  const labels = Int32Array.from(classOf, (name) => number.get(name) ?? -1);
  if (lists === undefined) {
    const counts = new Map<string, number>();
    for (const name of classOf) counts.set(name, (counts.get(name) ?? 0) + 1);
    const lonely = kept.find((name) => counts.get(name) === 1);
    if (lonely !== undefined) {
      throw new FormatError(
        where,
        "a class needs two pictures or more, one to learn from and one to test on",
        { folder: join(root, lonely), pictures: 1 },
        "Add pictures, or remove the folder.",
      );
    }
    const { key = randomKey(0), testFraction = 0.2 } = options;
    return { root, classNames: kept, files, labels, ...stratifiedSplit(labels, { key, testFraction, classNames: kept }), splitBy: "key" };
  }
  for (const part of ["train", "test"] as const) {
    const seen = new Set(Array.from(lists[part], (i) => labels[i]));
    const missing = kept.find((_, label) => !seen.has(label));
    if (missing !== undefined) {
      throw new FormatError(
        where,
        `a class has no picture in the ${part === "train" ? "training" : "test"} list`,
        { class: missing, list: lists.path },
        "Put at least one picture of each class into both lists, or leave the class out of both.",
      );
    }
  }
  return { root, classNames: kept, files, labels, train: lists.train, test: lists.test, splitBy: "lists" };
}

async function list(folder: string): Promise<{ name: string; isFolder: boolean }[]> {
  let entries;
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (cause) {
    const code = (cause as { code?: string }).code;
    const rule =
      code === "ENOENT" ? "there is no such folder" : code === "ENOTDIR" ? "this is a file, not a folder" : "the folder cannot be read";
    const fix = code === "ENOENT" || code === "ENOTDIR" ? "Give the folder that holds one folder per class." : "Look at its permissions.";
    const error = new FormatError(where, rule, { folder }, fix);
    error.cause = cause;
    throw error;
  }
  const visible = entries.filter(({ name }) => !name.startsWith("."));
  const named = await Promise.all(
    visible.map(async (entry) => {
      const isFolder = entry.isSymbolicLink()
        ? await stat(join(folder, entry.name)).then(
            (target) => target.isDirectory(),
            () => false,
          )
        : entry.isDirectory();
      return { name: entry.name, isFolder };
    }),
  );
  return named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

async function readLists(
  root: string,
  files: readonly string[],
): Promise<{ train: Int32Array; test: Int32Array; path: string } | undefined> {
  // Beside `images/`, not beside any folder: a stranger's train.txt one level up is not ours.
  const folders = basename(resolve(root)) === "images" ? [root, dirname(resolve(root))] : [root];
  const index = new Map(files.map((file, i) => [file, i]));
  for (const folder of folders) {
    const train = await readList(join(folder, "train.txt"), index, root);
    const test = await readList(join(folder, "test.txt"), index, root);
    if (train === undefined && test === undefined) continue;
    const tested = new Set(test);
    const both = train?.find((i) => tested.has(i));
    if (both !== undefined) {
      throw new FormatError(
        where,
        "a picture is in both split lists, so the test would know it",
        { file: files[both], folder },
        "Remove it from train.txt or from test.txt.",
      );
    }
    const rest = (other: Int32Array): Int32Array => {
      const taken = new Set(other);
      return Int32Array.from(index.values()).filter((i) => !taken.has(i));
    };
    const parts = { train: train ?? rest(test!), test: test ?? rest(train!) };
    return { ...parts, path: join(folder, train === undefined ? "test.txt" : "train.txt") };
  }
  return undefined;
}

async function readList(path: string, index: ReadonlyMap<string, number>, root: string): Promise<Int32Array | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as { code?: string }).code === "ENOENT") return undefined;
    const error = new FormatError(where, "the split list cannot be read", { list: path }, "Look at its permissions.");
    error.cause = cause;
    throw error;
  }
  const chosen = new Set<number>();
  text.split("\n").forEach((line, number) => {
    const file = line.trim().replaceAll("\\", "/").replace(/^\.\//, "");
    if (file === "" || file.startsWith("#")) return;
    const i = index.get(file);
    if (i === undefined) {
      throw new FormatError(
        where,
        "a split list names a picture that is not there",
        { list: path, line: number + 1, file, folder: root },
        "Each line is <class>/<file>, below the folder of the classes.",
      );
    }
    chosen.add(i);
  });
  if (chosen.size === 0)
    throw new FormatError(where, "the split list is empty", { list: path }, "Write one <class>/<file> a line, or remove the list.");
  return Int32Array.from(chosen).sort();
}
