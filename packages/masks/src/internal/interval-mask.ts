import { HeedError, ShapeError, tensor, type Tensor } from "@heed/tensor";
import type { Mask, MaskForm, TermContext } from "@heed/tensor/terms";
import { pictureOf, textOf } from "./picture.ts";

/** Disjoint ranges of keys `[low, high)`, ascending, as a flat list: low, high, low, high … */
export type Intervals = readonly number[];

/** Rows of a mask, made for one context. */
export interface Rows {
  /** 1 where the mask is the same for all samples, else B. */
  readonly batches: number;
  /** 1 where it is the same for all heads, else H. */
  readonly heads: number;
  /** The keys that query i may see, within `[0, S)`. */
  at(b: number, h: number, i: number): Intervals;
}

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

/** Tiles that verdicts speak of, when a row has more than two ranges. */
const TILE = 64;

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
    lower: (at) => lowered(rows(at), at),
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

/** The position of query i of sample b among the keys. */
export function positionOf({ queryOffset }: TermContext, b: number, i: number): number {
  return i + (typeof queryOffset === "number" ? queryOffset : queryOffset[b]);
}

/** How many samples a mask must tell apart whose rows depend on where queries stand. */
export function positionalBatches({ queryOffset, B }: TermContext): number {
  return typeof queryOffset === "number" ? 1 : B;
}

function denseOf(rows: Rows, { L, S }: TermContext, rank: "full" | "short"): Tensor {
  const { batches, heads } = rows;
  const bits = new Uint8Array(batches * heads * L * S);
  let row = 0;
  for (let b = 0; b < batches; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < L; i++, row += S) {
        const at = rows.at(b, h, i);
        for (let k = 0; k < at.length; k += 2) bits.fill(1, row + at[k], row + at[k + 1]);
      }
    }
  }
  return tensor(bits, { shape: rank === "short" && batches === 1 && heads === 1 ? [L, S] : [batches, heads, L, S], dtype: "bool" });
}

function lowered(rows: Rows, context: TermContext): MaskForm {
  const { batches, heads } = rows;
  const { L } = context;
  const bounds = new Int32Array(batches * heads * L * 4);
  let ranges: 1 | 2 = 1;
  let at = 0;
  for (let b = 0; b < batches; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < L; i++, at += 4) {
        const row = rows.at(b, h, i);
        if (row.length > 4) return tiles(rows, context);
        if (row.length > 2) ranges = 2;
        for (let k = 0; k < row.length; k++) bounds[at + k] = row[k];
      }
    }
  }
  if (ranges === 2) return { form: "ranges", batches, heads, ranges, bounds };
  const one = new Int32Array(batches * heads * L * 2);
  for (let row = 0; row < one.length / 2; row++) {
    one[2 * row] = bounds[4 * row];
    one[2 * row + 1] = bounds[4 * row + 1];
  }
  return { form: "ranges", batches, heads, ranges, bounds: one };
}

function tiles(rows: Rows, { L, S }: TermContext): MaskForm {
  const { batches, heads } = rows;
  const down = Math.ceil(L / TILE);
  const across = Math.ceil(S / TILE);
  const count = batches * heads * down * across;
  const verdicts = new Uint8Array(count);
  const bitsAt = new Int32Array(count).fill(-1);
  const bits: Uint8Array[] = [];
  const bytesPerTile = (TILE * TILE) / 8;
  // Open pairs per tile of one band of rows, and the bits of its tiles.
  const band = Array.from({ length: across }, () => new Uint8Array(bytesPerTile));
  const open = new Int32Array(across);
  let tile = 0;
  for (let b = 0; b < batches; b++) {
    for (let h = 0; h < heads; h++) {
      for (let first = 0; first < L; first += TILE) {
        open.fill(0);
        for (const one of band) one.fill(0);
        const last = Math.min(first + TILE, L);
        for (let i = first; i < last; i++) {
          const row = rows.at(b, h, i);
          for (let k = 0; k < row.length; k += 2) {
            for (let j = row[k]; j < row[k + 1]; j++) {
              const column = (j / TILE) | 0;
              const bit = (i - first) * TILE + (j % TILE);
              band[column][bit >> 3] |= 1 << (bit & 7);
              open[column]++;
            }
          }
        }
        for (let column = 0; column < across; column++, tile++) {
          const size = (last - first) * (Math.min((column + 1) * TILE, S) - column * TILE);
          verdicts[tile] = open[column] === 0 ? 0 : open[column] === size ? 1 : 2;
          if (verdicts[tile] !== 2) continue;
          bitsAt[tile] = bits.length * bytesPerTile;
          bits.push(band[column].slice());
        }
      }
    }
  }
  const all = new Uint8Array(bits.length * bytesPerTile);
  bits.forEach((one, i) => all.set(one, i * bytesPerTile));
  return { form: "tiles", batches, heads, rows: TILE, columns: TILE, verdicts, bitsAt, bits: all };
}
