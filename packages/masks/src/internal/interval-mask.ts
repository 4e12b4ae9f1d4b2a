import { HeedError, ShapeError, tensor, type Tensor } from "@heed/tensor";
import type { Mask, MaskForm, TermContext } from "@heed/tensor/terms";
import { lowered, verdictsOf } from "./lower.ts";
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

export interface BiasOptions extends TensorOptions {
  /** Default float32. */
  readonly dtype?: "float32" | "float64";
}

export interface TilesOptions extends TensorOptions {
  /** Size of a tile. Default 64 × 64, as kernels read them. */
  readonly rows?: number;
  readonly columns?: number;
}

export interface PictureOptions extends TensorOptions {
  /** Draws tiles of so many rows and columns: mixed ones get a frame, full ones another colour. Default none. */
  readonly tile?: number;
}

/** Verdicts on tiles: 0 empty, 1 full, 2 mixed. */
export interface Tiles {
  /** Size of a tile; the last ones may be smaller. */
  readonly rows: number;
  readonly columns: number;
  /** 1 where samples or heads do not differ. */
  readonly batches: number;
  readonly heads: number;
  /** How many tiles there are below and beside one another. */
  readonly down: number;
  readonly across: number;
  /** `[batches, heads, down, across]` */
  readonly verdicts: Uint8Array;
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
  /**
   * One row of text per query of the first sample and head: `■` may attend, `·` may not. Without sizes 8 × 8, or the name of a mask that was made for
   * others.
   */
  toString(L?: number, S?: number, options?: TensorOptions): string;
  /** What to add to scores: 0 where the pair may attend, −∞ where not, in the shape of `toTensor`. For ports: attention takes the mask itself. */
  toBias(L: number, S: number, options?: BiasOptions): Tensor;
  /** Which tiles of the L × S pairs are empty, full or mixed: what a kernel skips, runs without looking, and looks into. */
  tiles(L: number, S: number, options?: TilesOptions): Tiles;
  /** A picture of the first sample and head as a self-contained SVG, rows are queries (default 8 × 8); with `tile`, of its verdicts too. */
  toSVG(L?: number, S?: number, options?: PictureOptions): string;
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
    dense: (at) => {
      const own = rows(at);
      return bitsOf(own, at, fullShape(own, at));
    },
    lower: (at): MaskForm => lowered(rows(at), at),
    toTensor: (L, S, options) => {
      const at = context(L, S, options);
      const own = rows(at);
      return bitsOf(own, at, shortShape(own, at));
    },
    toBias: (L, S, options = {}) => {
      const at = context(L, S, options);
      return biasOf(rows(at), at, options.dtype ?? "float32");
    },
    tiles: (L, S, options = {}) => {
      const at = context(L, S, options);
      const { rows: height = BLOCK, columns: width = BLOCK } = options;
      for (const [what, n] of Object.entries({ rows: height, columns: width })) {
        if (!Number.isInteger(n) || n < 1) throw new HeedError(name, `${what} of a tile must be a whole number, at least 1`, { [what]: n });
      }
      return tilesOf(rows(at), at, height, width);
    },
    toString: (L, S = L, options = undefined) => {
      const draw = (at: TermContext) => textOf(rows(at), at);
      if (L !== undefined) return draw(context(L, S!, options));
      // As in a template string, where no one can say a size, and an error would hide what is being said.
      try {
        return draw(context(8, 8));
      } catch {
        return name;
      }
    },
    toSVG: (L = 8, S = L, options = {}) => {
      const at = context(L, S, options);
      const { tile } = options;
      if (tile !== undefined && (!Number.isInteger(tile) || tile < 1))
        throw new HeedError(name, "tile must be a whole number, at least 1", { tile });
      return pictureOf(name, rows(at), at, tile);
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

/** Writes `open` where a pair is open, in an array that says closed everywhere. */
function paint<T extends Uint8Array | Float32Array | Float64Array>(rows: Rows, { L, S }: TermContext, into: T, open: number): T {
  const runs = new Runs();
  let row = 0;
  for (let b = 0; b < rows.batches; b++) {
    for (let h = 0; h < rows.heads; h++) {
      for (let first = 0; first < L; first += BLOCK) {
        runs.clear();
        rows.fill(b, h, first, Math.min(BLOCK, L - first), runs);
        for (let r = 0; r < runs.rows; r++, row += S) {
          for (let k = runs.ends[r]; k < runs.ends[r + 1]; k += 2) into.fill(open, row + runs.bounds[k], row + runs.bounds[k + 1]);
        }
      }
    }
  }
  return into;
}

const sizeOf = ({ batches, heads }: Rows, { L, S }: TermContext): number => batches * heads * L * S;

const fullShape = ({ batches, heads }: Rows, { L, S }: TermContext): number[] => [batches, heads, L, S];

/** Without samples and heads where they do not differ. */
const shortShape = (rows: Rows, context: TermContext): number[] =>
  rows.batches === 1 && rows.heads === 1 ? [context.L, context.S] : fullShape(rows, context);

const bitsOf = (rows: Rows, context: TermContext, shape: readonly number[]): Tensor =>
  tensor(paint(rows, context, new Uint8Array(sizeOf(rows, context)), 1), { shape, dtype: "bool" });

function biasOf(rows: Rows, context: TermContext, dtype: "float32" | "float64"): Tensor {
  const closed = new (dtype === "float32" ? Float32Array : Float64Array)(sizeOf(rows, context)).fill(-Infinity);
  return tensor(paint(rows, context, closed, 0), { shape: shortShape(rows, context), dtype });
}

function tilesOf(rows: Rows, context: TermContext, height: number, width: number): Tiles {
  const { batches, heads } = rows;
  const verdicts = verdictsOf(rows, context, height, width);
  const [down, across] = [Math.ceil(context.L / height), Math.ceil(context.S / width)];
  return { rows: height, columns: width, batches, heads, down, across, verdicts };
}
