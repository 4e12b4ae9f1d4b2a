import { HeedError, ShapeError, tensor, type Tensor } from "@heed/tensor";
import type { Mask, MaskForm, TermContext } from "@heed/tensor/terms";
import { lowered } from "./lower.ts";
import { pictureOf, textOf } from "./picture.ts";
import { Runs } from "./runs.ts";

/** Rows of a mask, made for one context. */
export interface Rows {
  /** 1 where the mask is the same for all samples, else B. */
  readonly batches: number;
  /** 1 where it is the same for all heads, else H. */
  readonly heads: number;
  /** Adds the ranges of keys, within `[0, S)`, that the queries first … first + count − 1 may see: a row each. */
  fill(b: number, h: number, first: number, count: number, into: Runs): void;
}

/** Rows that are filled in one go: what this takes stays in the cache, whatever the length. */
export const BLOCK = 64;

export interface TensorOptions {
  /** Where query 0 stands among the keys, a number or one per sample. Default S − L. */
  readonly queryOffset?: number | Int32Array;
  /** Samples and heads, where neither the mask nor the offsets tell. Default 1. */
  readonly B?: number;
  readonly H?: number;
}

/** What every mask of this package can do besides being a term. */
export interface DrawableMask extends Mask {
  /** The number of samples that the mask was made for; `undefined` where any will do. */
  readonly samples: number | undefined;
  /** The same of heads. */
  readonly heads: number | undefined;
  /** The ranges of keys per row, for one context: what `and`, `or`, `not` combine. */
  rows(context: TermContext): Rows;
  /** Boolean `[L, S]`, or `[B, H, L, S]` with 1 where samples or heads do not differ. */
  toTensor(L: number, S: number, options?: TensorOptions): Tensor;
  /** One row of text per query of the first sample and head: `■` may attend, `·` may not. */
  toString(L?: number, S?: number, options?: TensorOptions): string;
  /** A picture of the first sample and head as a self-contained SVG, rows are queries. */
  toSVG(L: number, S: number, options?: TensorOptions): string;
}

/** What a mask was made for, where not anything will do. */
export interface Extent {
  readonly samples?: number | undefined;
  readonly heads?: number | undefined;
}

/**
 * A mask from the ranges of keys that each query may see. Everything else follows: the dense definition, the lowered form,
 * the picture.
 */
export function intervalMask(name: string, { samples, heads }: Extent, rows: (context: TermContext) => Rows): DrawableMask {
  const context = (L: number, S: number, { queryOffset = S - L, B, H = heads ?? 1 }: TensorOptions = {}): TermContext => {
    const batch = B ?? samples ?? (typeof queryOffset === "number" ? 1 : queryOffset.length);
    for (const [what, n] of Object.entries({ L, S, B: batch, H })) {
      if (!Number.isInteger(n) || n < 0) throw new HeedError(name, `${what} must be a whole number, not negative`, { [what]: n });
    }
    if (typeof queryOffset !== "number" && queryOffset.length !== batch) {
      throw new ShapeError(name, "there must be one queryOffset per sample", { "samples B": batch, offsets: queryOffset.length });
    }
    return { B: batch, H, L, S, queryOffset };
  };
  const mask: DrawableMask = {
    name,
    samples,
    heads,
    rows,
    dense: (at) => denseOf(rows(at), at, "full"),
    lower: (at): MaskForm => lowered(rows(at), at),
    toTensor: (L, S, options) => {
      const at = context(L, S, options);
      return denseOf(rows(at), at, "short");
    },
    toString: (L = 8, S = L, options = undefined) => {
      const at = context(L, S, options);
      return textOf(rows(at), at);
    },
    toSVG: (L, S, options) => {
      const at = context(L, S, options);
      return pictureOf(name, rows(at), at);
    },
  };
  return mask;
}

/** Where query 0 of sample b stands among the keys. */
export function offsetOf({ queryOffset }: TermContext, b: number): number {
  return typeof queryOffset === "number" ? queryOffset : queryOffset[b];
}

/** How many samples a mask must tell apart whose rows depend on where queries stand. */
export function positionalBatches({ queryOffset, B }: TermContext): number {
  return typeof queryOffset === "number" ? 1 : B;
}

function denseOf(rows: Rows, { L, S }: TermContext, rank: "full" | "short"): Tensor {
  const { batches, heads } = rows;
  const bits = new Uint8Array(batches * heads * L * S);
  const runs = new Runs();
  let row = 0;
  for (let b = 0; b < batches; b++) {
    for (let h = 0; h < heads; h++) {
      for (let first = 0; first < L; first += BLOCK) {
        runs.clear();
        rows.fill(b, h, first, Math.min(BLOCK, L - first), runs);
        for (let r = 0; r < runs.rows; r++, row += S) {
          for (let k = runs.ends[r]; k < runs.ends[r + 1]; k += 2) bits.fill(1, row + runs.bounds[k], row + runs.bounds[k + 1]);
        }
      }
    }
  }
  return tensor(bits, { shape: rank === "short" && batches === 1 && heads === 1 ? [L, S] : [batches, heads, L, S], dtype: "bool" });
}
