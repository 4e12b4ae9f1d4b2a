import {
  DTypeError,
  HeedError,
  requireReal,
  reshape,
  ShapeError,
  squeeze,
  Tensor,
  transpose,
  UnsupportedError,
  widened,
  type RandomKey,
  type RealDType,
} from "@heed/tensor/light";
import type { Bias, Mask, Score, ScoreMod, TermContext } from "@heed/tensor/terms";
import type { Normaliser } from "../normalisers.ts";
import type { AttentionOptions, Return } from "../options.ts";
import { packedOutput, packingOf, type Packing } from "./packing.ts";

/** A checked call: rank 4, defaults filled in. Packed sequences lie one after the other: then L and S below are those of all together. */
export interface Call {
  /** The public function that was called. */
  readonly where: string;
  /** `[B | 1, H, L, D]` */
  readonly query: Tensor;
  /** `[B | 1, Hkv, S, D]` */
  readonly key: Tensor;
  /** `[B | 1, Hkv, S, E]` */
  readonly value: Tensor;
  /** H / Hkv: neighbouring query heads that share a key head. */
  readonly group: number;
  readonly context: TermContext;
  readonly packing: Packing | undefined;
  /** Which pairs are of real rows, boolean, where rows were added as padding. */
  readonly valid?: Tensor;
  readonly score: Score;
  readonly biases: readonly (Bias | Tensor)[];
  readonly scoreMod: ScoreMod | undefined;
  readonly mask: Mask | Tensor | undefined;
  readonly normaliser: Normaliser;
  readonly softcap: number | undefined;
  /** `[H]` */
  readonly sink: Tensor | undefined;
  /** `[H | 1, 2 · maxDistance + 1, E]` */
  readonly valueTable: Tensor | undefined;
  readonly dropout: { readonly p: number; readonly key: RandomKey } | undefined;
  /** From `[B, H, L, E]` back to the caller's rank and layout. */
  restore(output: Tensor): Tensor;
  /** The same for weights and scores `[B, H, L, S]` and for lse `[B, H, L]`: heads stay before queries. */
  unbatch(x: Tensor): Tensor;
}

export type CallOptions = AttentionOptions & { readonly returns?: readonly Return[] };

/** Checks everything before any work. `score` gives the default. */
export function prepareWith(score: () => Score, where: string, query: Tensor, key: Tensor, value: Tensor, options: CallOptions): Call {
  checkOperands(where, { query, key, value });
  const { layout = "bhld" } = options;
  if (layout !== "bhld" && layout !== "blhd") throw new HeedError(where, 'layout is "bhld" or "blhd"', { layout });
  const packs = options.cuSeqlensQuery !== undefined || options.cuSeqlensKey !== undefined;
  if (packs) checkPacked(where, { query, key, value }, options);
  const headsFirst = (x: Tensor): Tensor => {
    const wide = widened(x);
    const four = x.rank === 4 ? wide : reshape(wide, [...[1, 1, 1, 1].slice(x.rank), ...x.shape]);
    return (layout === "blhd" && x.rank >= 3) || packs ? transpose(four, 1, 2) : four;
  };
  const q = headsFirst(query);
  const k = headsFirst(key);
  const v = headsFirst(value);
  const samples = checkShapes(where, { query, key, value }, [q.shape, k.shape, v.shape], packs);
  const packing = packs ? packingOf(where, options, q.shape[2], k.shape[2]) : undefined;
  const H = q.shape[1];
  const { count: B, L, S } = packing ?? { count: samples, L: q.shape[2], S: k.shape[2] };
  const {
    queryOffset = packing?.queryOffset ?? S - L,
    softcap,
    dropoutP = 0,
    dropoutKey,
    normaliser = { kind: "softmax" },
    bias = [],
  } = options;
  const context: TermContext = { B, H, L, S, queryOffset, dtype: q.dtype as RealDType };
  checkOptions(where, options, normaliser, B);
  const biases = Array.isArray(bias) ? (bias as readonly (Bias | Tensor)[]) : [bias as Bias | Tensor];
  checkTerms(where, q, biases, options, context);

  const leading = Math.max(query.rank, key.rank, value.rank) - 2;
  const unbatch = (x: Tensor) => (leading === 2 ? x : reshape(x, x.shape.slice(2 - leading)));
  return {
    where,
    query: q,
    key: k,
    value: v,
    group: H / k.shape[1],
    context,
    packing,
    score: options.score ?? score(),
    biases,
    scoreMod: options.scoreMod,
    mask: options.mask,
    normaliser,
    softcap,
    sink: options.sink,
    valueTable: valueTableOf(where, options, H, v),
    dropout: dropoutP > 0 ? { p: dropoutP, key: dropoutKey! } : undefined,
    restore: packs ? packedOutput : (output) => unbatch(layout === "blhd" && leading >= 1 ? transpose(output, 1, 2) : output),
    unbatch: packs ? (x) => (x.rank === 3 ? squeeze(x, 0) : x) : unbatch,
  };
}

type Operands = Readonly<Record<"query" | "key" | "value", Tensor>>;

function checkOperands(where: string, operands: Operands): void {
  for (const name in operands) {
    const x: unknown = operands[name as keyof Operands];
    if (!(x instanceof Tensor)) throw new HeedError(where, `${name} must be a Tensor`, { [name]: typeof x }, "Make one with tensor(…).");
    if (x.rank < 2 || x.rank > 4) {
      throw new ShapeError(where, `${name} must be [B, H, length, width], [H, length, width] or [length, width]`, { [name]: x.shape });
    }
    if (x.dtype === "int32" || x.dtype === "uint8" || x.dtype === "bool") requireReal(where, x.dtype);
  }
  const { query, key, value } = operands;
  if (query.dtype === key.dtype && query.dtype === value.dtype) return;
  const dtypes = { query: query.dtype, key: key.dtype, value: value.dtype };
  throw new DTypeError(where, "query, key and value must share a dtype", dtypes, "Convert: cast(x, dtype).");
}

/** Of rank 4; the messages show the shapes that came. Gives B. */
function checkShapes(where: string, { query, key, value }: Operands, [q, k, v]: readonly (readonly number[])[], packs: boolean): number {
  const shapes = { query: query.shape, key: key.shape, value: value.shape };
  const Hkv = k[1];
  if (k[2] !== v[2]) {
    const both = { key: key.shape, value: value.shape };
    const axis = packs ? "key and value must share totalKeys (axis 0)" : "key and value must share length S (axis -2)";
    throw new ShapeError(where, axis, both, "Slice or pad both alike before the call.");
  }
  if (v[1] !== Hkv || Hkv === 0 || q[1] % Hkv !== 0) {
    const rule = "the number of query heads must be a multiple of the key/value heads, which key and value share";
    if (packs) throw new ShapeError(where, rule, shapes, "Packed operands are [tokens, heads, width].");
    throw new ShapeError(where, rule, shapes, "Axis -3 is heads: for [B, L, D] without heads, unsqueeze(x, 1).");
  }
  const samples = [q[0], k[0], v[0]];
  const B = samples.find((n) => n !== 1) ?? 1;
  if (samples.every((n) => n === 1 || n === B)) return B;
  throw new ShapeError(where, "query, key and value must share B (or have 1)", shapes, "Repeat or slice samples before the call.");
}

const returnable: readonly string[] = ["lse", "weights", "scores:raw", "scores:softcapped", "scores:masked"] satisfies Return[];

/** Names that other libraries have for what is one option here: to pass them over in silence would give another result. */
const elsewhere: Readonly<Record<string, string>> = {
  causal: "Pass mask: causal(), of @heed/masks.",
  isCausal: "Pass mask: causal(), of @heed/masks.",
  attnMask: "Pass mask: true = may attend.",
  scale: "Pass score: scaledDot({ scale }), of @heed/scoring.",
  dropout: "Pass dropoutP and dropoutKey.",
};

function checkOptions(where: string, options: CallOptions, { kind }: Normaliser, B: number): void {
  for (const name in options) {
    if (Object.hasOwn(elsewhere, name)) throw new HeedError(where, `there is no option "${name}"`, {}, elsewhere[name]);
  }
  const { queryOffset = 0, softcap, dropoutP = 0, dropoutKey, returns = [] } = options;
  if (typeof queryOffset === "number" ? !Number.isInteger(queryOffset) : queryOffset.length !== B) {
    throw new ShapeError(where, "queryOffset must be a whole number, or one per sample", { queryOffset, "samples B": B });
  }
  if (softcap !== undefined && !(softcap > 0 && Number.isFinite(softcap))) {
    throw new HeedError(where, "softcap must be above 0 and finite", { softcap }, "Leave it out for none.");
  }
  if (!(dropoutP >= 0 && dropoutP < 1)) throw new HeedError(where, "dropoutP must be in [0, 1)", { dropoutP });
  if (dropoutP > 0 && dropoutKey === undefined) {
    throw new HeedError(where, "dropout needs a key", { dropoutP }, "Pass dropoutKey: randomKey(seed).");
  }
  if (kind === undefined) {
    throw new HeedError(
      where,
      "normaliser must be a value such as softmax()",
      {},
      "Import it from @heed/attention/normalisers, and call it.",
    );
  }
  for (const name of returns) {
    if (!returnable.includes(name)) throw new HeedError(where, `returns takes ${returnable.join(", ")}`, { returns });
  }
  if (kind !== "softmax" && options.sink !== undefined) {
    throw new UnsupportedError(where, "a sink belongs to softmax", { normaliser: kind }, "Leave it out.");
  }
  if (kind !== "softmax" && returns.includes("lse")) {
    throw new UnsupportedError(where, "lse belongs to softmax", { normaliser: kind }, "Leave it out.");
  }
}

function checkTerms(
  where: string,
  { dtype }: Tensor,
  biases: readonly (Bias | Tensor)[],
  { mask, scoreMod, sink }: CallOptions,
  context: TermContext,
): void {
  const { B, H, L, S } = context;
  const target = [B, H, L, S];
  if (mask instanceof Tensor) {
    if (mask.dtype !== "bool") {
      const fix = 'A float is a bias: pass it as bias. Zeros and ones: cast(mask, "bool").';
      throw new DTypeError(where, "a mask is boolean, true = may attend", { mask: mask.dtype }, fix);
    }
    if (!fitsPairs(mask, target)) {
      const fix = "Keys that may be seen, [B, S], are reshape(mask, [B, 1, 1, S]); lengths are padding(lengths).";
      throw new ShapeError(where, "mask must broadcast to [B, H, L, S]", { mask: mask.shape, "[B, H, L, S]": target }, fix);
    }
  } else if (mask !== undefined && typeof mask.dense !== "function") {
    throw new HeedError(where, "mask must be a mask or a boolean tensor", { mask: typeof mask }, "Masks are values: causal(), not causal.");
  }
  if (scoreMod !== undefined && typeof scoreMod.dense !== "function") {
    const fix = "Build one: scoreMod(({ score, i, j }) => …), of @heed/attention/expressions.";
    throw new HeedError(where, "scoreMod must be an expression", { scoreMod: typeof scoreMod }, fix);
  }
  if (sink !== undefined && !(sink instanceof Tensor && sink.rank === 1 && sink.shape[0] === H)) {
    throw new ShapeError(where, "sink must be a tensor [H]", { sink: sink instanceof Tensor ? sink.shape : typeof sink, H });
  }
  if (sink !== undefined && sink.dtype !== dtype) {
    throw new DTypeError(where, "sink must have the dtype of query", { sink: sink.dtype, query: dtype }, "Convert: cast(x, dtype).");
  }
  for (const bias of biases) {
    if (!(bias instanceof Tensor)) continue;
    if (bias.dtype === "bool") throw new DTypeError(where, "a boolean is a mask, not a bias", { bias: bias.dtype }, "Pass it as mask.");
    if (bias.dtype !== dtype) throw new DTypeError(where, "bias must have the dtype of query", { bias: bias.dtype, query: dtype });
    if (!fitsPairs(bias, target))
      throw new ShapeError(where, "bias must broadcast to [B, H, L, S]", { bias: bias.shape, "[B, H, L, S]": target });
  }
}

function valueTableOf(where: string, { valueTable }: CallOptions, H: number, value: Tensor): Tensor | undefined {
  if (valueTable === undefined) return undefined;
  const table = valueTable instanceof Tensor && valueTable.rank === 2 ? reshape(valueTable, [1, ...valueTable.shape]) : valueTable;
  if (!(table instanceof Tensor) || table.rank !== 3) {
    const got = { valueTable: table instanceof Tensor ? table.shape : typeof table };
    throw new ShapeError(where, "valueTable must be [2 · maxDistance + 1, E] or [H | 1, 2 · maxDistance + 1, E]", got);
  }
  const [heads, rows, width] = table.shape;
  if ((heads !== 1 && heads !== H) || rows % 2 !== 1 || width !== value.shape[3]) {
    const rule = "valueTable must have 1 or H heads, an odd number of distances, and the width of value";
    throw new ShapeError(where, rule, { valueTable: valueTable.shape, H, E: value.shape[3] });
  }
  if (table.dtype !== value.dtype)
    throw new DTypeError(where, "valueTable must have the dtype of value", { valueTable: table.dtype, value: value.dtype });
  return table;
}

function checkPacked(where: string, operands: Operands, options: CallOptions): void {
  for (const [name, x] of Object.entries(operands)) {
    if (x.rank !== 3) throw new ShapeError(where, `packed ${name} must be [tokens, heads, width]`, { [name]: x.shape });
  }
  if (options.layout !== undefined) {
    throw new UnsupportedError(where, "packed sequences have a layout of their own", { layout: options.layout }, "Leave it out.");
  }
}

/** Whether a tensor broadcasts to `[B, H, L, S]` without making it larger. */
export function fitsPairs({ shape }: Tensor, target: readonly number[]): boolean {
  return shape.length <= 4 && shape.every((n, i) => n === 1 || n === target[4 - shape.length + i]);
}
