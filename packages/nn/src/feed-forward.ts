import { gelu, relu, silu, type RandomKey, type Tensor } from "@heed/tensor";
import { Dropout } from "./dropout.ts";
import { Linear, type LinearOptions } from "./linear.ts";
import { Module } from "./module.ts";

export interface FeedForwardOptions {
  readonly key: RandomKey;
  /** Default `gelu` (exact). */
  readonly activation?: "gelu" | "relu" | "silu";
  /** Default 0. */
  readonly dropoutP?: number;
  /** Default true. */
  readonly bias?: boolean;
  readonly init?: LinearOptions["init"];
  readonly biasInit?: LinearOptions["biasInit"];
}

/**
 * `fc2(dropout(activation(fc1(x))))` over the last axis, width → hidden → width, with timm's names.
 * @see Vaswani et al. 2017, §3.3
 */
export class FeedForward extends Module {
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly dropout: Dropout;
  readonly activation: "gelu" | "relu" | "silu";

  constructor(width: number, hidden: number, { key, activation = "gelu", dropoutP = 0, ...options }: FeedForwardOptions) {
    super();
    this.fc1 = new Linear(width, hidden, { ...options, key: key.split("fc1") });
    this.fc2 = new Linear(hidden, width, { ...options, key: key.split("fc2") });
    this.dropout = new Dropout(dropoutP);
    this.activation = activation;
  }

  forward(x: Tensor): Tensor {
    const hidden = this.fc1.forward(x);
    const active = this.activation === "gelu" ? gelu(hidden) : this.activation === "relu" ? relu(hidden) : silu(hidden);
    return this.fc2.forward(this.dropout.forward(active));
  }
}
