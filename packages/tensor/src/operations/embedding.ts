import { int32View, rowKernels, ShapeError, zeroBytes } from "@heed/kernels";
import { computeOne, packed } from "../core/compute.ts";
import { bytesPer, requireReal } from "../core/dtype.ts";
import type { Shape } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { fillZero } from "./fill.ts";
import { checkedIndices } from "./internal/indices.ts";
import { selectRows } from "./internal/move-items.ts";
import { widened } from "./widened.ts";

export interface EmbeddingOptions {
  /** A row whose gradient stays 0. */
  readonly paddingIdx?: number;
}

/**
 * Rows of a table by their numbers.
 *
 * Letters: N rows, E width.
 * @param weight `[N, E]`. In half precision only the rows that are read are widened.
 * @param ids int32, of any shape
 * @returns `[…ids.shape, E]`
 * @throws {ShapeError} when the weight is no matrix, `paddingIdx` no row of it, or an id out of range; it is named.
 *
 * Time O(size of the result); the gradient is a whole table.
 * @see PyTorch's `torch.nn.functional.embedding`
 */
export function embedding(weight: Tensor, ids: Tensor, { paddingIdx }: EmbeddingOptions = {}): Tensor {
  requireTensor("embedding", "weight", weight);
  requireTensor("embedding", "ids", ids);
  if (weight.rank !== 2) throw new ShapeError("embedding", "weight must be [N, E]", { weight: weight.shape });
  const [n] = weight.shape;
  if (paddingIdx !== undefined && !(Number.isInteger(paddingIdx) && paddingIdx >= 0 && paddingIdx < n)) {
    throw new ShapeError("embedding", `paddingIdx must be a row from 0 to ${n - 1}`, { paddingIdx, weight: weight.shape });
  }
  return widened(rows(weight, checkedIndices("embedding", "ids", ids, n), undefined, paddingIdx));
}

/** Rows of the weight, those of the id `blank` zero; the gradient of row `still` is 0. */
function rows(weight: Tensor, ids: Tensor, blank: number | undefined, still: number | undefined): Tensor {
  const { shape, dtype } = weight;
  const [n, width] = shape;
  const out = computeOne("embedding", [packed(weight), ids], [...ids.shape, width], dtype, ([read, places], write) => {
    selectRows(dtype, read, places, write, 1, n, ids.size, width);
    if (blank === undefined) return;
    const at = int32View().subarray(places / 4, places / 4 + ids.size);
    const row = width * bytesPer(dtype);
    at.forEach((id, i) => {
      if (id === blank) zeroBytes(write + i * row, row);
    });
  });
  return record("embedding", out, [weight], [ids], (g) => [table(g, ids, shape, still)]);
}

/** A table of zeros with the rows of g added at their ids, row `still` left 0: the adjoint. */
function table(g: Tensor, ids: Tensor, shape: Shape, still: number | undefined): Tensor {
  const dtype = requireReal("embedding", g.dtype);
  const out = computeOne("embedding", [packed(g), ids], shape, dtype, ([read, places], write) => {
    fillZero(dtype, write, shape);
    if (g.size > 0) rowKernels.on(dtype).scatterAddRows(read, places, write, ids.size, shape[1]);
    const row = shape[1] * bytesPer(dtype);
    if (still !== undefined) zeroBytes(write + still * row, row);
  });
  return record("embedding gradient", out, [g], [ids], (gg) => [rows(gg, ids, still, still)]);
}
