import { DTypeError, HeedError, ShapeError, type Tensor } from "@heed/tensor";
import { intervalMask, offsetOf, positionalBatches, type DrawableMask } from "./internal/interval-mask.ts";

/**
 * Block-sparse: the query at position p = i + queryOffset may see key j if `layout[⌊p / block⌋, ⌊j / block⌋]`. Queries before position 0 see nothing.
 *
 * Letters: B samples, H heads, R and C blocks of queries and keys.
 * @param layout boolean `[R, C]`, or `[H, R, C]`, `[B | 1, H | 1, R, C]` for heads and samples that differ; true = may attend
 * @param block positions per block. 64 (or a multiple) fits the tiles that kernels read
 * @throws {DTypeError} when layout is not boolean; {HeedError} for a block that is no whole number from 1 on; {ShapeError} when layout has another
 * rank, or (in use) does not reach as far as queries and keys stand.
 *
 * Time O(C) a row, in as many ranges as its row of the layout has runs.
 * @see Child et al. 2019 (arXiv:1904.10509); Zaheer et al. 2020 (arXiv:2007.14062), appendix D
 */
export function blocks(layout: Tensor, block: number): DrawableMask {
  if (layout.dtype !== "bool")
    throw new DTypeError("blocks", "layout must be boolean", { layout: layout.dtype }, "Compare: greater(layout, 0).");
  if (layout.rank < 2 || layout.rank > 4)
    throw new ShapeError("blocks", "layout must be [R, C], [H, R, C] or [B, H, R, C]", { layout: layout.shape });
  if (!Number.isInteger(block) || block < 1) throw new HeedError("blocks", "block must be a whole number, at least 1", { block });
  const [batches, heads, R, C] = [1, 1, ...layout.shape].slice(-4);
  const bits = layout.toTypedArray();
  const extent = { samples: batches === 1 ? undefined : batches, heads: heads === 1 ? undefined : heads };
  return intervalMask("blocks", extent, (context) => {
    const { B, H, L, S, queryOffset } = context;
    const last = Math.max(...(typeof queryOffset === "number" ? [queryOffset] : queryOffset)) + L - 1;
    const needed = [Math.floor(Math.max(last, -1) / block) + 1, Math.ceil(S / block)];
    if (![1, B].includes(batches) || ![1, H].includes(heads) || (L > 0 && (needed[0] > R || needed[1] > C)))
      throw new ShapeError(
        "blocks",
        "layout must be of the call's samples and heads, and reach its last query and key",
        { layout: layout.shape, "B, H": [B, H], "blocks of queries and keys": needed },
        "Queries stand at i + queryOffset: give queryOffset 0 where they do not end with the keys.",
      );
    return {
      batches: Math.max(batches, positionalBatches(context)),
      heads,
      fill: (b, h, first, count, into) => {
        const position = first + offsetOf(context, b);
        const plane = ((batches === 1 ? 0 : b) * heads + h) * R * C;
        for (let p = position; p < position + count; p++) {
          const row = plane + Math.floor(p / block) * C;
          const across = p < 0 ? 0 : needed[1];
          for (let c = 0; c < across; c++) if (bits[row + c] === 1) into.push(c * block, Math.min(S, (c + 1) * block));
          into.endRow();
        }
      },
    };
  });
}
