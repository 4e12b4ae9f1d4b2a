/**
 * The interfaces that attention accepts: `Score`, `Bias`, `Mask`. Types only. Anybody's value of that shape will do.
 *
 * Letters: B batch, H heads, L queries, S keys, D width of a query or key.
 *
 * Each term has a *dense* definition in tensor operations, which says what it means, and *lowers*, once per call on the
 * calling thread, to one of a closed set of operand forms, all tensors or plain arrays: kernels and worker threads cannot
 * call a stranger's closure.
 */
import type { Tensor } from "./core/tensor.ts";

/** What one call of attention is about. For packed sequences B counts them, and L and S are the longest. */
export interface TermContext {
  readonly B: number;
  readonly H: number;
  readonly L: number;
  readonly S: number;
  /**
   * Where query 0 stands among the keys: query i stands at `i + queryOffset`. A number, or one per sample. Default
   * `S − L`: the last query sees the last key (bottom-right alignment); 0 aligns top-left.
   */
  readonly queryOffset: number | Int32Array;
  /** What the call computes in, for terms that make tables. Default float32. */
  readonly dtype?: "float32" | "float64";
}

/** Learned tensors of a term, by name; modules register them. */
export type TermParameters = Readonly<Record<string, Tensor>>;

/** How well each key answers each query. */
export interface Score {
  readonly name: string;
  /** Scores `[…, L, S]` of query `[…, L, Dq]` and key `[…, S, Dk]`, in tensor operations. */
  dense(query: Tensor, key: Tensor): Tensor;
  lower(query: Tensor, key: Tensor): ScoreForm;
  parameters?(): TermParameters;
}

/** Operand forms of scores. */
export type ScoreForm =
  /** `scale · ⟨query, key⟩`; `scale` a number or a tensor `[H | 1]`. */
  | { readonly form: "dot"; readonly query: Tensor; readonly key: Tensor; readonly scale: number | Tensor }
  /** `scale · Σ (query − key)²`, by differences, since the expansion cancels. */
  | { readonly form: "distance"; readonly query: Tensor; readonly key: Tensor; readonly scale: number | Tensor }
  /** `vectorᵀ activation(query + key [+ edgeTerm])`; query and key `[…, A]`, vector `[A]` or `[H, A]`. */
  | {
      readonly form: "additive";
      readonly query: Tensor;
      readonly key: Tensor;
      readonly vector: Tensor;
      readonly edgeTerm?: Tensor;
      readonly activation: "tanh" | "sigmoid" | "leakyRelu";
      /** Of leakyRelu, below 0. Default 0.01. */
      readonly negativeSlope?: number;
    };

/** What is added to the scores, after scale and softcap. −∞ closes a pair as a mask would. */
export interface Bias {
  readonly name: string;
  /** Broadcastable to `[B, H, L, S]`, in tensor operations. */
  dense(context: TermContext): Tensor;
  lower(context: TermContext): BiasForm;
  parameters?(): TermParameters;
}

/** Operand forms of biases. */
export type BiasForm =
  /** Broadcastable to `[B, H, L, S]`. */
  | { readonly form: "dense"; readonly bias: Tensor }
  /** `[B | 1, H | 1, L + S − 1]`, read at j − i + L − 1. */
  | { readonly form: "relative"; readonly table: Tensor }
  /** `[H | 1, 2R − 1, 2C − 1]` over a grid of R × C positions; the first `prefix` positions get 0. */
  | { readonly form: "grid"; readonly table: Tensor; readonly prefix: number }
  /** `[H | 1, 2 · maxDistance + 1, D]`, clipped, times the query, inside the score's scale. */
  | { readonly form: "queryRelative"; readonly table: Tensor; readonly maxDistance: number };

/** What a user does to each score, after scale, softcap and biases, before the mask. `@heed/attention/expressions` makes them. */
export interface ScoreMod {
  readonly name: string;
  /** Scores `[B, H, L, S]` → the same shape, in tensor operations. */
  dense(scores: Tensor, context: TermContext): Tensor;
  lower(context: TermContext): ExpressionForm;
  parameters?(): TermParameters;
}

/** An expression for one pair of query and key, and the tables that it reads by their numbers. */
export interface ExpressionForm {
  readonly form: "expression";
  readonly expression: Expression;
  /** float (of the dtype of the scores), int32 or bool. */
  readonly tables: readonly Tensor[];
}

/** int is int32; float has the dtype of the scores. */
export type ExpressionType = "float" | "int" | "bool";

/** What an expression may read: the score, and where the pair stands. `position` is i + queryOffset, where the query stands among the keys. */
export type ExpressionVariable = "score" | "b" | "h" | "i" | "j" | "position";

/**
 * A small typed expression, as data: kernels are made from it. Operands of an operation have one type (`toFloat` converts); its own is
 * theirs, but bool for comparisons. `div` is of floats; `floorDiv` and `mod` are of ints and round down, so that mod has the divisor's sign;
 * by 0 both are 0.
 */
export type Expression =
  | { readonly op: "constant"; readonly type: ExpressionType; readonly value: number }
  | { readonly op: "variable"; readonly type: "float" | "int"; readonly name: ExpressionVariable }
  | { readonly op: ExpressionOperation; readonly type: ExpressionType; readonly operands: readonly Expression[] }
  /**
   * The element of table number `table` at an index per axis. An index out of range is clamped to the edge, or, where `outside` is a number, the
   * element is that number.
   */
  | {
      readonly op: "lookup";
      readonly type: ExpressionType;
      readonly table: number;
      readonly shape: readonly number[];
      readonly indices: readonly Expression[];
      readonly outside: number | undefined;
    };

export type ExpressionOperation =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "floorDiv"
  | "mod"
  | "min"
  | "max"
  | "neg"
  | "abs"
  | "exp"
  | "log"
  | "tanh"
  | "sigmoid"
  | "sqrt"
  | "floor"
  | "toFloat"
  | "less"
  | "lessEqual"
  | "equal"
  | "and"
  | "or"
  | "not"
  | "select";

/** Which keys each query may attend to: true = may attend. */
export interface Mask {
  readonly name: string;
  /** Boolean, broadcastable to `[B, H, L, S]`. */
  dense(context: TermContext): Tensor;
  lower(context: TermContext): MaskForm;
}

/** Verdict on a tile of the score matrix. */
export type TileVerdict = "empty" | "full" | "mixed";

/** Operand forms of masks. `batches` and `heads` are 1 where the mask is the same for all. */
export type MaskForm =
  /** At most two ranges of keys `[low, high)` per row: int32 `[batches, heads, L, ranges, 2]`, row-major. */
  | { readonly form: "ranges"; readonly batches: number; readonly heads: number; readonly ranges: 1 | 2; readonly bounds: Int32Array }
  /**
   * Verdicts per tile of `rows × columns`: 0 empty, 1 full, 2 mixed, `[batches, heads, ⌈L / rows⌉, ⌈S / columns⌉]`; mixed
   * tiles have bits, `rows · columns / 8` bytes each, at `bitsAt[tile]`.
   */
  | {
      readonly form: "tiles";
      readonly batches: number;
      readonly heads: number;
      readonly rows: number;
      readonly columns: number;
      readonly verdicts: Uint8Array;
      readonly bitsAt: Int32Array;
      readonly bits: Uint8Array;
    };
