import { embedding, HeedError, normal, tensor, type RandomKey, type Tensor } from "@heed/tensor";
import { requireCount, requireRate } from "./internal/require.ts";
import { Module } from "./module.ts";
import { Parameter } from "./parameter.ts";

export interface EmbeddingOptions {
  readonly key: RandomKey;
  /** A row that starts at 0 and has no gradient, so that it stays as it is. */
  readonly paddingIdx?: number;
  /** Deviation of the initial normal values. Default 1, as PyTorch. */
  readonly deviation?: number;
}

/**
 * Rows of a table by integer ids: int32 `[…]` → `[…, embeddingDim]`. Parameter `weight` `[numEmbeddings, embeddingDim]`.
 * @throws {ShapeError} unless the sizes are whole numbers from 1 on; {HeedError} when `paddingIdx` is no row.
 *
 * Time O(ids · embeddingDim). The gradient is a whole table, zeros where no id pointed.
 * @see PyTorch's `torch.nn.Embedding`
 */
export class Embedding extends Module {
  readonly weight: Parameter;
  readonly paddingIdx: number | undefined;

  constructor(numEmbeddings: number, embeddingDim: number, { key, paddingIdx, deviation = 1 }: EmbeddingOptions) {
    super();
    requireCount("Embedding", { numEmbeddings, embeddingDim });
    requireRate("Embedding", "deviation", deviation);
    if (paddingIdx !== undefined && !(Number.isInteger(paddingIdx) && paddingIdx >= 0 && paddingIdx < numEmbeddings)) {
      throw new HeedError("Embedding", "paddingIdx must be a row of the table", { paddingIdx, numEmbeddings });
    }
    const drawn = normal(key.split("weight"), [numEmbeddings, embeddingDim], { deviation });
    this.weight = new Parameter(paddingIdx === undefined ? drawn : withBlankRow(drawn, paddingIdx));
    this.paddingIdx = paddingIdx;
  }

  /** @throws {ShapeError} for an id out of range, named; {DTypeError} unless ids are int32. */
  forward(ids: Tensor): Tensor {
    return embedding(this.weight, ids, this.paddingIdx === undefined ? {} : { paddingIdx: this.paddingIdx });
  }
}

function withBlankRow(table: Tensor, row: number): Tensor {
  const [, width] = table.shape;
  const values = table.toTypedArray();
  return tensor(values.fill(0, row * width, (row + 1) * width), { shape: table.shape });
}
