import { embedding, normal, type RandomKey, type Tensor } from "@heed/tensor";
import { requireCount } from "./internal/require.ts";
import { Module } from "./module.ts";
import { Parameter } from "./parameter.ts";

export interface EmbeddingOptions {
  readonly key: RandomKey;
  /** A row that stays as it is: its gradient is 0. */
  readonly paddingIdx?: number;
  /** Deviation of the initial normal values. Default 1, as PyTorch. */
  readonly deviation?: number;
}

/** Rows of a table by integer ids: int32 `[…]` → `[…, embeddingDim]`. Parameter `weight` `[numEmbeddings, embeddingDim]`. */
export class Embedding extends Module {
  readonly weight: Parameter;
  readonly paddingIdx: number | undefined;

  constructor(numEmbeddings: number, embeddingDim: number, { key, paddingIdx, deviation = 1 }: EmbeddingOptions) {
    super();
    requireCount("Embedding", { numEmbeddings, embeddingDim });
    this.weight = new Parameter(normal(key.split("weight"), [numEmbeddings, embeddingDim], { deviation }));
    this.paddingIdx = paddingIdx;
  }

  /** @throws {ShapeError} for an id out of range, named. */
  forward(ids: Tensor): Tensor {
    return embedding(this.weight, ids, this.paddingIdx === undefined ? {} : { paddingIdx: this.paddingIdx });
  }
}
