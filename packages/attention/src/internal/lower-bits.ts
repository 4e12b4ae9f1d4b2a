import type { Tensor } from "@heed/tensor";
import type { MaskForm, TermContext } from "@heed/tensor/terms";

/** Rows and columns of the tiles that kernels read. */
const TILE = 64;

/**
 * A boolean tensor that broadcasts to `[B, H, L, S]`, as an operand form: ranges where no row has more than two, else tiles. Reads each element once
 * or twice.
 */
export function lowerBits(mask: Tensor, { L, S }: TermContext): MaskForm {
  const bits = mask.toTypedArray() as Uint8Array;
  const [batches, heads, rows, columns] = [1, 1, 1, 1, ...mask.shape].slice(-4);
  const at = (group: number, i: number) => (group * rows + (rows === 1 ? 0 : i)) * columns;
  const whole: Whole = { bits, batches, heads, rows, columns, L, S, at };
  return rangesOf(whole) ?? tilesOf(whole);
}

interface Whole {
  readonly bits: Uint8Array;
  readonly batches: number;
  readonly heads: number;
  /** 1 or L, 1 or S. */
  readonly rows: number;
  readonly columns: number;
  readonly L: number;
  readonly S: number;
  /** Where row i of a sample and head begins. */
  at(group: number, i: number): number;
}

function rangesOf({ bits, batches, heads, rows, columns, L, S, at }: Whole): MaskForm | undefined {
  const bounds = new Int32Array(batches * heads * L * 4);
  for (let group = 0, to = 0; group < batches * heads; group++) {
    for (let i = 0; i < L; i++, to += 4) {
      if (i > 0 && rows === 1) {
        bounds.copyWithin(to, to - 4, to);
        continue;
      }
      const row = at(group, i);
      if (columns === 1) {
        bounds[to + 1] = bits[row] === 1 ? S : 0;
        continue;
      }
      for (let j = 0, k = to; j < S; j++) {
        if (bits[row + j] === 0) continue;
        if (k === to + 4) return undefined;
        bounds[k++] = j;
        while (j < S && bits[row + j] !== 0) j++;
        bounds[k++] = j;
      }
    }
  }
  return { form: "ranges", batches, heads, ranges: 2, bounds };
}

function tilesOf({ bits, batches, heads, columns, L, S, at }: Whole): MaskForm {
  const [down, across] = [Math.ceil(L / TILE), Math.ceil(S / TILE)];
  const verdicts = new Uint8Array(batches * heads * down * across);
  const bitsAt = new Int32Array(verdicts.length).fill(-1);
  const bytesPerTile = (TILE * TILE) / 8;
  const packed = new Uint8Array(verdicts.length * bytesPerTile);
  let used = 0;
  let tile = 0;
  for (let group = 0; group < batches * heads; group++) {
    for (let first = 0; first < L; first += TILE) {
      for (let left = 0; left < S; left += TILE, tile++) {
        const [height, width] = [Math.min(TILE, L - first), Math.min(TILE, S - left)];
        let open = 0;
        for (let r = 0; r < height; r++) {
          const from = at(group, first + r) + (columns === 1 ? 0 : left);
          for (let c = 0; c < width; c++) {
            const bit = bits[columns === 1 ? from : from + c];
            open += bit;
            packed[used + ((r * TILE + c) >> 3)] |= bit << (c & 7);
          }
        }
        verdicts[tile] = open === 0 ? 0 : open === height * width ? 1 : 2;
        if (verdicts[tile] === 2) {
          bitsAt[tile] = used;
          used += bytesPerTile;
        } else packed.fill(0, used, Math.min(used + bytesPerTile, packed.length));
      }
    }
  }
  return { form: "tiles", batches, heads, rows: TILE, columns: TILE, verdicts, bitsAt, bits: packed.slice(0, used) };
}
