import { DTypeError, HeedError, reshape, ShapeError, Tensor, transpose, UnsupportedError, type RandomKey } from "@heed/tensor";
import { broadcastShapes } from "@heed/tensor/operation";
import type { Bias, Mask, Score, TermContext } from "@heed/tensor/terms";
import { scaledDot } from "@heed/scoring";
import { softmax, type Normaliser } from "../normalisers.ts";
import type { AttentionOptions, Return } from "../options.ts";

/** A checked call: rank 4, heads grouped, defaults filled in. */
export interface Call {
  /** `[B, Hkv, group, L, D]` */
  readonly query: Tensor;
  /** `[B | 1, Hkv, 1, S, D]` */
  readonly key: Tensor;
  /** `[B | 1, Hkv, 1, S, E]` */
  readonly value: Tensor;
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

/** Checks everything before any work. */
export function prepare(
  where: string,
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions & { readonly returns?: readonly Return[] },
): Call {
  for (const [name, x] of Object.entries({ query, key, value })) {
    if (!(x instanceof Tensor)) throw new HeedError(where, `${name} must be a Tensor`, { [name]: typeof x }, "Make one with tensor(…).");
    if (x.rank < 2 || x.rank > 4)
      throw new ShapeError(where, `${name} must be [B, H, length, width], [H, length, width] or [length, width]`, { [name]: x.shape });
  }
  if (query.dtype !== key.dtype || query.dtype !== value.dtype) {
    throw new DTypeError(
      where,
      "query, key and value must share a dtype",
      { query: query.dtype, key: key.dtype, value: value.dtype },
      "Convert: cast(x, dtype).",
    );
  }
  const { layout = "bhld" } = options;
  const [q, k, v] = [query, key, value].map((x) => {
    const four = reshape(x, [...[1, 1, 1, 1].slice(x.rank), ...x.shape]);
    return layout === "blhd" && x.rank >= 3 ? transpose(four, 1, 2) : four;
  });
  const shapes = { query: query.shape, key: key.shape, value: value.shape };
  const [, H, L] = q.shape;
  const [, Hkv, S] = k.shape;
  if (S !== v.shape[2])
    throw new ShapeError(
      where,
      "key and value must share length S (axis -2)",
      { key: key.shape, value: value.shape },
      "Slice or pad both alike before the call.",
    );
  if (v.shape[1] !== Hkv || Hkv === 0 || H % Hkv !== 0) {
    throw new ShapeError(where, "the number of query heads must be a multiple of the key/value heads, which key and value share", shapes);
  }
  let batch: number[];
  try {
    batch = broadcastShapes(where, [q.shape[0]], [k.shape[0]], [v.shape[0]]);
  } catch {
    throw new ShapeError(where, "query, key and value must share B (or have 1)", shapes);
  }
  const [B] = batch;
  const group = H / Hkv;
  const { queryOffset = S - L, softcap, dropoutP = 0, dropoutKey } = options;
  checkOffset(where, queryOffset, B);
  if (softcap !== undefined && !(softcap > 0 && Number.isFinite(softcap)))
    throw new HeedError(where, "softcap must be above 0 and finite", { softcap });
  if (!(dropoutP >= 0 && dropoutP < 1)) throw new HeedError(where, "dropoutP must be in [0, 1)", { dropoutP });
  if (dropoutP > 0 && dropoutKey === undefined)
    throw new HeedError(where, "dropout needs a key", { dropoutP }, "Pass dropoutKey: randomKey(seed).");
  if (options.strict === true) {
    throw new UnsupportedError(where, "this version has no streaming kernel: it runs the dense definition", {}, "Leave strict out.");
  }
  const { normaliser = softmax(), returns } = options;
  if (normaliser.kind !== "softmax" && returns?.includes("lse")) {
    throw new UnsupportedError(where, "lse belongs to softmax", { normaliser: normaliser.kind }, "Leave lse out of returns.");
  }
  const biases =
    options.bias === undefined
      ? []
      : Array.isArray(options.bias)
        ? (options.bias as readonly (Bias | Tensor)[])
        : [options.bias as Bias | Tensor];
  const context: TermContext = { B, H, L, S, queryOffset };
  checkTensors(where, biases, options.mask, context);
  const leading = Math.max(query.rank, key.rank, value.rank) - 2;
  const withoutLeading = (x: Tensor) => (leading === 2 ? x : reshape(x, x.shape.slice(2 - leading)));
  return {
    query: reshape(q, [q.shape[0], Hkv, group, L, q.shape[3]]),
    key: reshape(k, [k.shape[0], Hkv, 1, S, k.shape[3]]),
    value: reshape(v, [v.shape[0], Hkv, 1, S, v.shape[3]]),
    context,
    score: options.score ?? scaledDot(),
    biases,
    mask: options.mask,
    normaliser,
    softcap,
    dropout: dropoutP > 0 ? { p: dropoutP, key: dropoutKey! } : undefined,
    restore(output) {
      const laid = layout === "blhd" && leading >= 1 ? transpose(output, 1, 2) : output;
      return withoutLeading(laid);
    },
    unbatch: withoutLeading,
  };
}

function checkOffset(where: string, queryOffset: number | Int32Array, B: number): void {
  if (typeof queryOffset === "number" ? !Number.isInteger(queryOffset) : queryOffset.length !== B) {
    throw new ShapeError(where, "queryOffset must be a whole number, or one per sample", { queryOffset, "samples B": B });
  }
}

function checkTensors(
  where: string,
  biases: readonly (Bias | Tensor)[],
  mask: Mask | Tensor | undefined,
  { B, H, L, S }: TermContext,
): void {
  const target = [B, H, L, S];
  const fits = ({ shape }: Tensor) => shape.length <= 4 && shape.every((n, i) => n === 1 || n === target[4 - shape.length + i]);
  if (mask instanceof Tensor) {
    if (mask.dtype !== "bool")
      throw new DTypeError(where, "a mask is boolean, true = may attend", { dtype: mask.dtype }, "A float is a bias: pass it as bias.");
    if (!fits(mask)) throw new ShapeError(where, "mask must broadcast to [B, H, L, S]", { mask: mask.shape, "[B, H, L, S]": target });
  }
  for (const bias of biases) {
    if (!(bias instanceof Tensor)) continue;
    if (bias.dtype === "bool") throw new DTypeError(where, "a boolean is a mask, not a bias", { dtype: bias.dtype }, "Pass it as mask.");
    if (!fits(bias)) throw new ShapeError(where, "bias must broadcast to [B, H, L, S]", { bias: bias.shape, "[B, H, L, S]": target });
  }
}
