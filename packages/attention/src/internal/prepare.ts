import { DTypeError, HeedError, reshape, ShapeError, Tensor, transpose, UnsupportedError, type RandomKey } from "@heed/tensor";
import { broadcastShapes, requireReal, widened } from "@heed/tensor/operation";
import type { Bias, Mask, Score, TermContext } from "@heed/tensor/terms";
import { scaledDot } from "@heed/scoring";
import { softmax, type Normaliser } from "../normalisers.ts";
import type { AttentionOptions, Return } from "../options.ts";

/** A checked call: rank 4, defaults filled in. */
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
  readonly score: Score;
  readonly biases: readonly (Bias | Tensor)[];
  readonly mask: Mask | Tensor | undefined;
  readonly normaliser: Normaliser;
  readonly softcap: number | undefined;
  readonly dropout: { readonly p: number; readonly key: RandomKey } | undefined;
  /** From `[B, H, L, E]` back to the caller's rank and layout. */
  restore(output: Tensor): Tensor;
  /** The same for weights and scores `[B, H, L, S]` and for lse `[B, H, L]`: heads stay before queries. */
  unbatch(x: Tensor): Tensor;
}

type CallOptions = AttentionOptions & { readonly returns?: readonly Return[] };

/** Checks everything before any work. */
export function prepare(where: string, query: Tensor, key: Tensor, value: Tensor, options: CallOptions): Call {
  checkOperands(where, { query, key, value });
  const { layout = "bhld" } = options;
  if (layout !== "bhld" && layout !== "blhd") throw new HeedError(where, 'layout is "bhld" or "blhd"', { layout });
  const [q, k, v] = [query, key, value].map((x) => {
    const four = reshape(widened(x), [...[1, 1, 1, 1].slice(x.rank), ...x.shape]);
    return layout === "blhd" && x.rank >= 3 ? transpose(four, 1, 2) : four;
  });
  const { B, group } = checkShapes(where, { query, key, value }, [q, k, v]);
  const [, H, L] = q.shape;
  const S = k.shape[2];
  const { queryOffset = S - L, softcap, dropoutP = 0, dropoutKey, normaliser = softmax(), bias = [] } = options;
  const context: TermContext = { B, H, L, S, queryOffset };
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
    group,
    context,
    score: options.score ?? scaledDot(),
    biases,
    mask: options.mask,
    normaliser,
    softcap,
    dropout: dropoutP > 0 ? { p: dropoutP, key: dropoutKey! } : undefined,
    restore: (output) => unbatch(layout === "blhd" && leading >= 1 ? transpose(output, 1, 2) : output),
    unbatch,
  };
}

type Operands = Readonly<Record<"query" | "key" | "value", Tensor>>;

function checkOperands(where: string, operands: Operands): void {
  for (const [name, x] of Object.entries(operands)) {
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

/** Of rank 4; the messages show the shapes that came. */
function checkShapes(where: string, { query, key, value }: Operands, [q, k, v]: readonly Tensor[]): { B: number; group: number } {
  const shapes = { query: query.shape, key: key.shape, value: value.shape };
  const [batchOfQuery, H] = q.shape;
  const [batchOfKey, Hkv, S] = k.shape;
  if (S !== v.shape[2]) {
    const both = { key: key.shape, value: value.shape };
    throw new ShapeError(where, "key and value must share length S (axis -2)", both, "Slice or pad both alike before the call.");
  }
  if (v.shape[1] !== Hkv || Hkv === 0 || H % Hkv !== 0) {
    const rule = "the number of query heads must be a multiple of the key/value heads, which key and value share";
    throw new ShapeError(where, rule, shapes, "Axis -3 is heads: for [B, L, D] without heads, unsqueeze(x, 1).");
  }
  try {
    const [B] = broadcastShapes(where, [batchOfQuery], [batchOfKey], [v.shape[0]]);
    return { B, group: H / Hkv };
  } catch {
    throw new ShapeError(where, "query, key and value must share B (or have 1)", shapes, "Repeat or slice samples before the call.");
  }
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
  for (const [name, fix] of Object.entries(elsewhere)) {
    if (name in options) throw new HeedError(where, `there is no option "${name}"`, {}, fix);
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
  if (options.strict === true) {
    throw new UnsupportedError(where, "this version has no streaming kernel: it runs the dense definition", {}, "Leave strict out.");
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
  if (kind !== "softmax" && returns.includes("lse")) {
    throw new UnsupportedError(where, "lse belongs to softmax", { normaliser: kind }, "Leave lse out of returns.");
  }
}

function checkTerms(
  where: string,
  { dtype }: Tensor,
  biases: readonly (Bias | Tensor)[],
  { mask }: CallOptions,
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
  for (const bias of biases) {
    if (!(bias instanceof Tensor)) continue;
    if (bias.dtype === "bool") throw new DTypeError(where, "a boolean is a mask, not a bias", { bias: bias.dtype }, "Pass it as mask.");
    if (bias.dtype !== dtype) throw new DTypeError(where, "bias must have the dtype of query", { bias: bias.dtype, query: dtype });
    if (!fitsPairs(bias, target))
      throw new ShapeError(where, "bias must broadcast to [B, H, L, S]", { bias: bias.shape, "[B, H, L, S]": target });
  }
}

/** Whether a tensor broadcasts to `[B, H, L, S]` without making it larger. */
export function fitsPairs({ shape }: Tensor, target: readonly number[]): boolean {
  return shape.length <= 4 && shape.every((n, i) => n === 1 || n === target[4 - shape.length + i]);
}
