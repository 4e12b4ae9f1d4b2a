import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readConllu, Vocabulary } from "@heed/datasets";
import { UserError } from "../../errors.ts";
import { percent } from "../../format.ts";
import type { PrepareContext, Prepared, Settings } from "../../experiment.ts";
import { encoded, special, unknownId, type Sentences } from "../../text/sentences.ts";
import { tagging } from "./index.ts";

export const parts = ["train", "dev", "test"] as const;
export type PartName = (typeof parts)[number];

export interface Part extends Sentences {
  /** The word class of each word. */
  readonly tags: Int32Array;
}

export interface TaggingData extends Readonly<Record<PartName, Part>> {
  /** Words of the training part; `Vocabulary.fromJSON` takes it. */
  readonly words: { readonly tokens: readonly string[]; readonly unknown?: string };
  readonly tags: readonly string[];
}

const beside = fileURLToPath(new URL("../../../../../../shared/data/ud-english-ewt", import.meta.url));

export async function prepareTagging(settings: Settings, { progress }: PrepareContext): Promise<Prepared<TaggingData>> {
  const folder = settings.data ?? beside;
  if (!existsSync(folder)) {
    throw new UserError("the treebank is not in ../shared/data/ud-english-ewt: pass --data with the folder that holds it.");
  }
  const limit = tagging.profiles[settings.profile].limit as number;
  const files = await readdir(folder);
  const hash = createHash("sha256");
  const read = async (part: PartName) => {
    const found = files.filter((name) => name.includes(`-${part}.conllu`) || name === `${part}.conllu`);
    if (found.length !== 1)
      throw new UserError(`${folder} must hold one file …-${part}.conllu, or that with .gz, and holds ${found.length}.`);
    progress(`read ${found[0]}`);
    const bytes = await readFile(join(folder, found[0]!));
    hash.update(bytes);
    const sentences: { words: string[]; tags: string[] }[] = [];
    for await (const { words, line } of readConllu(bytes, { name: found[0]! })) {
      const bare = words.find(({ upos }) => upos === undefined);
      if (bare !== undefined) throw new UserError(`${found[0]}, sentence at line ${line}: "${bare.form}" has no word class.`);
      sentences.push({ words: words.map(({ form }) => form), tags: words.map(({ upos }) => upos!) });
      if (limit > 0 && sentences.length === limit) break;
    }
    if (sentences.length === 0) throw new UserError(`${found[0]} holds no sentence.`);
    return sentences;
  };
  const [train, dev, test] = [await read("train"), await read("dev"), await read("test")];
  const words = Vocabulary.build(
    train.map((one) => one.words),
    { special, unknown: special[unknownId] },
  );
  const tags = [...new Set([...train, ...dev, ...test].flatMap((one) => one.tags))].sort();
  const tagIds = new Map(tags.map((tag, id) => [tag, id]));
  const part = (sentences: typeof train): Part => ({
    ...encoded(
      sentences.map((one) => one.words),
      words,
    ),
    tags: Int32Array.from(sentences.flatMap((one) => one.tags.map((tag) => tagIds.get(tag)!))),
  });
  const data: TaggingData = { words: words.toJSON(), tags, train: part(train), dev: part(dev), test: part(test) };
  const baseline = mostFrequentTag(data);
  return {
    description: {
      name: files.some((name) => name.startsWith("en_ewt")) ? "UD English-EWT" : "treebank",
      classes: tags,
      sentences: parts.map((name) => data[name].offsets.length - 1).join(" / "),
      words: parts.map((name) => data[name].ids.length).join(" / "),
      vocabulary: words.size - special.length,
      unknownTestWords: percent(share(data.test.ids, (id) => id === unknownId)),
      references: [{ label: "most frequent tag", value: baseline }],
      fingerprint: hash.digest("hex").slice(0, 16),
    },
    data,
  };
}

const share = (ids: Int32Array, test: (id: number, i: number) => boolean): number =>
  ids.reduce((sum, id, i) => sum + Number(test(id, i)), 0) / ids.length;

/** Test accuracy of saying of each word what it was most often in training (of several the first by name), and of unknown ones that they are nouns. */
function mostFrequentTag({ words, tags, train, test }: TaggingData): number {
  const counts = words.tokens.map(() => new Int32Array(tags.length));
  train.ids.forEach((id, i) => counts[id]![train.tags[i]!]!++);
  const most = counts.map((of) => of.indexOf(Math.max(...of)));
  most[unknownId] = tags.indexOf("NOUN");
  return share(test.ids, (id, i) => most[id] === test.tags[i]);
}
