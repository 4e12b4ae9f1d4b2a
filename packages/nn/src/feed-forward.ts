import { HeedError, relu, silu, type RandomKey, type Tensor } from "@heed/tensor";
import { Dropout } from "./dropout.ts";
import { Linear, type LinearOptions } from "./linear.ts";
import { Module } from "./module.ts";

/** What follows the first layer; undefined where it is part of that layer's product. */
const activations = { gelu: undefined, relu, silu };

export interface FeedForwardOptions {
  readonly key: RandomKey;
  /** Default `gelu` (exact). */
  readonly activation?: keyof typeof activations;
  /** Default 0. */
  readonly dropoutP?: number;
  /** Default true. */
  readonly bias?: boolean;
  readonly init?: LinearOptions["init"];
  readonly biasInit?: LinearOptions["biasInit"];
}

/**
 * `fc2(dropout(activation(fc1(x))))` over the last axis, `[…, width]` → `[…, hidden]` → `[…, width]`. Parameters with timm's names:
 * `fc1.weight`, `fc1.bias`, `fc2.weight`, `fc2.bias`.
 * @throws {HeedError} for an unknown activation.
 *
 * Time O(size of x · hidden).
 * @see Vaswani et al. 2017, §3.3 (arXiv:1706.03762)
 */
export class FeedForward extends Module {
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly dropout: Dropout;
  readonly activation: keyof typeof activations;

  constructor(width: number, hidden: number, { key, activation = "gelu", dropoutP = 0, ...options }: FeedForwardOptions) {
    super();
    if (!(activation in activations))
      throw new HeedError("FeedForward", `activation is ${Object.keys(activations).join(", ")}`, { activation });
    this.fc1 = new Linear(width, hidden, { ...options, key: key.split("fc1") });
    this.fc2 = new Linear(hidden, width, { ...options, key: key.split("fc2") });
    this.dropout = new Dropout(dropoutP);
    this.activation = activation;
  }

  forward(x: Tensor): Tensor {
    const activate = activations[this.activation];
    const hidden = activate === undefined ? this.fc1.forward(x, { activation: "gelu" }) : activate(this.fc1.forward(x));
    return this.fc2.forward(this.dropout.forward(hidden));
  }
}
