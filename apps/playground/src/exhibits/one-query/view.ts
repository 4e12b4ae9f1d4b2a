/** What the visitor has set: all that the exhibit shows follows from it. */
export interface View {
  readonly query: Vector;
  readonly keys: readonly Vector[];
  /** Which keys the query may see. */
  readonly seen: readonly boolean[];
  readonly score: ScoreName;
  readonly normaliser: NormaliserName;
  /** The word whose weight the gradient is of; -1 for none. */
  readonly target: number;
}

export type Vector = readonly [x: number, y: number];

export const scoreNames = ["dot", "scaledDot", "additive", "bilinear", "gaussian"] as const;
export type ScoreName = (typeof scoreNames)[number];

export const normaliserNames = ["softmax", "reluSum", "reluCount", "sigmoid", "hard"] as const;
export type NormaliserName = (typeof normaliserNames)[number];

export const words = ["Bonjour", "le", "monde"] as const;

/** Both coordinates of every vector stay within these. */
export const [lowest, highest] = [-1, 2];

/** The example of the lecture notes; `packages/attention/examples/worked-example.ts` prints the same. */
export const notesExample: View = {
  query: [0.8, 0.3],
  keys: [
    [1.0, 0.5],
    [0.8, 1.2],
    [0.2, 1.5],
  ],
  seen: [true, true, true],
  score: "dot",
  normaliser: "softmax",
  target: -1,
};

export function moveQuery(view: View, query: Vector): View {
  return { ...view, query: withinBounds(query) };
}

export function moveKey(view: View, index: number, key: Vector): View {
  return { ...view, keys: view.keys.map((each, i) => (i === index ? withinBounds(key) : each)) };
}

export function setSeen(view: View, index: number, seen: boolean): View {
  return { ...view, seen: view.seen.map((each, i) => (i === index ? seen : each)) };
}

/** Three digits are as fine as anybody types, and keep shared addresses short. */
function withinBounds(vector: Vector): Vector {
  const [x, y] = vector.map((each) => Math.round(Math.min(highest, Math.max(lowest, each)) * 1000) / 1000);
  return [x!, y!];
}

/** As the part of an address after `?`; what is as in the notes is left out. */
export function toAddress(view: View): string {
  const parts: string[] = [];
  const put = (name: string, value: string, usual: string) => value !== usual && parts.push(`${name}=${value}`);
  const vectors = (list: readonly Vector[]) => list.map((each) => each.join(",")).join(";");
  put("query", vectors([view.query]), vectors([notesExample.query]));
  put("keys", vectors(view.keys), vectors(notesExample.keys));
  put("seen", view.seen.map(Number).join(""), "111");
  put("score", view.score, notesExample.score);
  put("normaliser", view.normaliser, notesExample.normaliser);
  put("target", view.target < 0 ? "none" : words[view.target]!, "none");
  return parts.join("&");
}

/** Reads an address back; anything that is missing or makes no sense is as in the notes. */
export function fromAddress(address: string): View {
  const read = new URLSearchParams(address);
  const oneOf = <T extends string>(names: readonly T[], name: string, usual: T) => names.find((each) => each === read.get(name)) ?? usual;
  const seen = read.get("seen") ?? "";
  return {
    query: readVectors(read.get("query"), 1)?.[0] ?? notesExample.query,
    keys: readVectors(read.get("keys"), words.length) ?? notesExample.keys,
    seen: /^[01]{3}$/.test(seen) ? Array.from(seen, (digit) => digit === "1") : notesExample.seen,
    score: oneOf(scoreNames, "score", notesExample.score),
    normaliser: oneOf(normaliserNames, "normaliser", notesExample.normaliser),
    target: words.indexOf(read.get("target") as (typeof words)[number]),
  };
}

function readVectors(text: string | null, count: number): Vector[] | undefined {
  const vectors = (text ?? "").split(";").map((pair) => pair.split(",").map((each) => (each.trim() === "" ? NaN : Number(each))));
  const sound = vectors.length === count && vectors.every((pair) => pair.length === 2 && pair.every(Number.isFinite));
  return sound ? vectors.map(([x, y]) => withinBounds([x!, y!])) : undefined;
}
