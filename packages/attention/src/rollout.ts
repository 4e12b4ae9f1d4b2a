import {
  add,
  broadcastTo,
  div,
  equal,
  eye,
  HeedError,
  matmul,
  max,
  mean,
  min,
  mul,
  noGrad,
  ShapeError,
  sum,
  Tensor,
  where,
} from "@heed/tensor";

export interface RolloutOptions {
  /** How the heads of a layer become one: their mean (default), maximum or minimum. */
  readonly heads?: "mean" | "max" | "min";
  /** How much of each token goes past the attention, by the residual connection: from 0 to 1. Default 0.5. */
  readonly residual?: number;
}

/**
 * How much each token of the last layer comes from each token of the input, if attention were all that mixes them:
 * `Â_n Â_(n−1) … Â_1` with `Â = residual · I + (1 − residual) · A`, rows summing to one, of the weights A of each layer.
 *
 * Letters: B batch, H heads, L tokens.
 * @param weights of each layer, the first one first, `[B, H, L, L]` (or `[H, L, L]`, `[L, L]`), as `returnWeights` gives them
 * @returns `[B, L, L]` (or `[L, L]`): row i says where token i of the last layer comes from, and sums to one. Empty rows come from themselves.
 * Without gradients.
 * @throws {ShapeError} for no layers, weights that are not square, or layers that differ; {HeedError} for options out of range.
 * Time O(layers · B (H L² + L³)).
 * @see Abnar and Zuidema 2020, §3, eq. 1 (arXiv:2005.00928)
 */
export function attentionRollout(weights: readonly Tensor[], options: RolloutOptions = {}): Tensor {
  return noGrad(() => mixtures("attentionRollout", weights, options).reduce((below, layer) => matmul(layer, below)));
}

/** The rows of each layer, heads made one and the residual connection added. */
export function mixtures(name: string, weights: readonly Tensor[], { heads = "mean", residual = 0.5 }: RolloutOptions): Tensor[] {
  const join = { mean, max, min }[heads] as typeof mean | undefined;
  if (join === undefined) throw new HeedError(name, "heads is mean, max or min", { heads });
  if (!(residual >= 0 && residual <= 1)) throw new HeedError(name, "residual must be in [0, 1]", { residual });
  if (weights.length === 0)
    throw new ShapeError(name, "there must be weights of a layer", { layers: 0 }, "Call layers with returnWeights.");
  return weights.map((layer) => {
    const L = layer instanceof Tensor ? layer.shape.at(-1) : undefined;
    if (
      !(layer instanceof Tensor) ||
      layer.rank < 2 ||
      layer.rank > 4 ||
      layer.shape.at(-2) !== L ||
      layer.shape.join() !== weights[0].shape.join()
    ) {
      const got = { layer: layer instanceof Tensor ? layer.shape : typeof layer, first: weights[0].shape };
      throw new ShapeError(
        name,
        "weights must be [B, H, L, L], [H, L, L] or [L, L], alike in all layers",
        got,
        "Cross-attention mixes other tokens.",
      );
    }
    const one = layer.rank > 2 ? join(layer, -3) : layer;
    const own = broadcastTo(eye(L!, L!, { dtype: layer.dtype as "float32" }), one.shape);
    const mixed = add(mul(one, 1 - residual), mul(own, residual));
    const total = sum(mixed, -1, { keepDims: true });
    // A row without weights, and without residual, has nowhere else to come from.
    return where(equal(total, 0), own, div(mixed, total));
  });
}
