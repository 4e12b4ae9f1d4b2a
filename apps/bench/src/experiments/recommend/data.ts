import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readSessions, Vocabulary, type Session } from "@heed/datasets";
import { UserError } from "../../errors.ts";
import type { PrepareContext, Prepared, Settings } from "../../experiment.ts";
import { recommend } from "./index.ts";

export const parts = ["train", "validation", "test"] as const;
export type Part = (typeof parts)[number];

/** Sessions one after the other: session s holds the items from offsets[s] up to offsets[s + 1]. */
export interface Clicks {
  readonly items: Int32Array;
  readonly offsets: Int32Array;
}

export interface RecommendData extends Readonly<Record<Part, Clicks>> {
  /** By their number. */
  readonly itemNames: readonly string[];
  /** What the shop says of each item: 0 or 1, `[items, attributes]`, row-major. */
  readonly attributes: Float32Array;
  readonly attributeNames: readonly string[];
}

const file = "e-shop clothing 2008.csv.gz";
/** Of an item, the same at each of its clicks. */
const itemColumns = ["page 1 (main category)", "page", "location", "colour", "model photography", "price", "price 2"];
const columns = { each: itemColumns, session: "session ID", item: "page 2 (clothing model)", first: ["month", "day"], separator: ";" };
export const beside = fileURLToPath(new URL("../../../../../../shared/data/eshop-clickstream", import.meta.url));
/** From that day of July on sessions are kept aside. */
const aside = 22;

/** August is for the test, the last ten days of July choose, the rest trains. */
function partOf({ first: { month, day } }: Session): Part {
  if (month === "8") return "test";
  return month === "7" && Number(day) >= aside ? "validation" : "train";
}

export async function prepareRecommend(settings: Settings, { progress }: PrepareContext): Promise<Prepared<RecommendData>> {
  const folder = settings.data ?? beside;
  if (!existsSync(join(folder, file))) {
    const missing = settings.data === undefined ? "../shared/data/eshop-clickstream is not there" : `${folder} holds no "${file}"`;
    throw new UserError(`${missing}: pass --data with the folder that holds the shop's clicks.`);
  }
  progress(`read ${file}`);
  const bytes = await readFile(join(folder, file));
  const limit = recommend.profiles[settings.profile].limit as number;
  const read: Record<Part, Session[]> = { train: [], validation: [], test: [] };
  for await (const session of readSessions(bytes, { ...columns, name: file })) read[partOf(session)].push(session);
  const kept = Object.fromEntries(parts.map((part) => [part, read[part].slice(0, limit > 0 ? limit : undefined)])) as typeof read;
  const empty = parts.find((part) => !kept[part].some(({ items }) => items.length > 1));
  if (empty !== undefined) throw new UserError(`${file} holds no session of two clicks for the ${empty} part.`);
  // What the shop sells is known, whoever clicked on it.
  const vocabulary = Vocabulary.build(parts.flatMap((part) => kept[part].map(({ items }) => items)));
  const packed = (sessions: readonly Session[]): Clicks => {
    const offsets = shared(sessions.length + 1);
    sessions.forEach(({ items }, s) => (offsets[s + 1] = offsets[s]! + items.length));
    const all = shared(offsets.at(-1)!);
    sessions.forEach(({ items }, s) => all.set(vocabulary.encode(items), offsets[s]));
    return { items: all, offsets };
  };
  const { attributes, attributeNames } = attributesOf(
    parts.flatMap((part) => kept[part]),
    vocabulary,
  );
  return {
    description: {
      name: "eshop",
      fingerprint: createHash("sha256").update(bytes).digest("hex").slice(0, 16),
      items: vocabulary.size,
      attributes: attributeNames.length,
      sessions: Object.fromEntries(parts.map((part) => [part, kept[part].length])),
      steps: Object.fromEntries(parts.map((part) => [part, kept[part].reduce((sum, { items }) => sum + items.length - 1, 0)])),
    },
    data: {
      train: packed(kept.train),
      validation: packed(kept.validation),
      test: packed(kept.test),
      itemNames: vocabulary.tokens,
      attributes,
      attributeNames,
    },
  };
}

/** One column per value of an attribute, and one per page of a category: items that stand on one page are clicked one after the other. */
function attributesOf(sessions: readonly Session[], vocabulary: Vocabulary): { attributes: Float32Array; attributeNames: string[] } {
  const said = new Map<string, readonly string[]>();
  for (const { items, each } of sessions) {
    items.forEach((item, i) => {
      const own = each[i]!;
      said.set(item, [...itemColumns, "list"].map((name) => `${name} ${name === "list" ? `${own[itemColumns[0]!]}/${own.page}` : own[name]}`)); // prettier-ignore
    });
  }
  const attributeNames = [...new Set([...said.values()].flat())].sort();
  const attributes = new Float32Array(new SharedArrayBuffer(4 * vocabulary.size * attributeNames.length));
  for (const [item, own] of said) {
    for (const name of own) attributes[vocabulary.idOf(item) * attributeNames.length + attributeNames.indexOf(name)] = 1;
  }
  return { attributes, attributeNames };
}

const shared = (length: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * length));

/** Those of two clicks and more. */
export function sessionsOf({ items, offsets }: Clicks): Int32Array[] {
  const all = Array.from({ length: offsets.length - 1 }, (_, s) => items.subarray(offsets[s], offsets[s + 1]));
  return all.filter(({ length }) => length > 1);
}
