import { dropout, type Tensor } from "@heed/tensor";
import { requireProbability } from "./internal/require.ts";
import { Module } from "./module.ts";
import { dropoutKey } from "./training.ts";

/**
 * In `training`, zeroes each element with probability p and divides the rest by 1 − p; outside, the identity. Any shape → the same. Which elements
 * follows from the step's key, the path of the module and how often it was called in this step: nothing else, so a step replays.
 * @throws {HeedError} unless 0 ≤ p < 1.
 *
 * Time O(size of x).
 * @see Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting"
 */
export class Dropout extends Module {
  readonly p: number;

  constructor(p = 0.5) {
    super();
    requireProbability("Dropout", "p", p);
    this.p = p;
  }

  forward(x: Tensor): Tensor {
    if (this.p === 0) return x;
    const key = dropoutKey(this.path);
    return key === undefined ? x : dropout(x, { p: this.p, key });
  }
}
