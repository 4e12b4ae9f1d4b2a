import { wasm } from "#wasm/edges";
import { defineFamily, type Family } from "@heed/kernels";
import { reference } from "./reference.ts";

/**
 * What happens along the edges of a graph, row by row: row i has the edges `offsets[i] … offsets[i + 1] − 1`; the k-th leads to node `columns[k]`,
 * and its numbers lie at `slots[k]` of arrays of edges. By targets a row holds incoming edges, by sources outgoing ones. Each call does rows [from,
 * to), and writes no other row, so calls may run side by side; sums run over a row's edges in order.
 *
 * Letters: N nodes, E edges, H heads, F width. Arrays are contiguous and real, `offsets`, `columns`, `slots` int32; the caller has checked indices.
 */
export interface EdgeKernels {
  /** `out[i, h, :] = Σ_k weights[slot, h] · values[column, h, :]`: weights `[E, H]`, values `[·, H, F]`, out `[N, H, F]`; 0 without edges. */
  weightedSum(
    values: number,
    weights: number,
    out: number,
    offsets: number,
    columns: number,
    slots: number,
    from: number,
    to: number,
    heads: number,
    width: number,
  ): void;
  /** `out[slot, h] = Σ_f a[i, h, f] · b[column, h, f]`: a and b `[·, H, F]`, out `[E, H]`. */
  edgeDots(
    a: number,
    b: number,
    out: number,
    offsets: number,
    columns: number,
    slots: number,
    from: number,
    to: number,
    heads: number,
    width: number,
  ): void;
  /** `out[slot, :] = a[i, :] + b[column, :]`: a and b `[·, width]`, out `[E, width]`. */
  pairSum(
    a: number,
    b: number,
    out: number,
    offsets: number,
    columns: number,
    slots: number,
    from: number,
    to: number,
    width: number,
  ): void;
  /** `out[i, :] = Σ_k x[slot, :]`: x `[E, width]`, out `[N, width]`. */
  rowSum(x: number, out: number, offsets: number, slots: number, from: number, to: number, width: number): void;
  /** Softmax over the edges of each row, per column: scores and out `[E, H]`. A score of −∞ gets 0, also where all are. */
  edgeSoftmax(scores: number, out: number, offsets: number, slots: number, from: number, to: number, heads: number): void;
  /** `edgeSoftmax` of `leakyRelu(a[i, h] + b[column, h])`: a and b `[·, H]`, out `[E, H]`. */
  pairSoftmax(
    a: number,
    b: number,
    out: number,
    offsets: number,
    columns: number,
    slots: number,
    from: number,
    to: number,
    heads: number,
    slope: number,
  ): void;
  /**
   * `pairSoftmax` and the `weightedSum` of its weights in one walk: values `[·, H, F]`, out `[N, H, F]`, `factors` `[N, H]`: one over the sum of a
   * row's powers. Edges are numbered in the order of rows. `weights` `[E, H]` hold the weights where `keep` is 1, else what became of them on the way.
   */
  pairAttention(
    a: number,
    b: number,
    values: number,
    weights: number,
    factors: number,
    out: number,
    offsets: number,
    columns: number,
    from: number,
    to: number,
    heads: number,
    width: number,
    slope: number,
    keep: number,
  ): void;
  /**
   * The gradients of `pairSoftmax` from those of its results, g, and the results, weights, `[E, H]` each:
   * `dz[slot, h] = w · (g − Σ_row w · g) · leakyRelu′(…)`, what each edge gives to b, and their sums `da[i, h] = Σ_k dz[slot, h]`.
   */
  pairSoftmaxGrad(
    a: number,
    b: number,
    weights: number,
    g: number,
    dz: number,
    da: number,
    offsets: number,
    columns: number,
    slots: number,
    from: number,
    to: number,
    heads: number,
    slope: number,
  ): void;
  /** `out[slot, h] = w · (g − Σ_row w · g)`: w = weights, g their cotangents, all `[E, H]`. */
  edgeSoftmaxGrad(weights: number, g: number, out: number, offsets: number, slots: number, from: number, to: number, heads: number): void;
  /**
   * `out[slot, h] = Σ_f vector[h, f] · leakyRelu(a[i, h, f] + b[column, h, f] + c[slot, h, f])`: out `[E, H]`, c `[E, H, F]` or 0 for none.
   */
  edgeAdditive(
    a: number,
    b: number,
    c: number,
    vector: number,
    out: number,
    offsets: number,
    columns: number,
    slots: number,
    from: number,
    to: number,
    heads: number,
    width: number,
    slope: number,
  ): void;
  /**
   * Its gradients from g `[E, H]`: `da[i, h, f] = Σ_k g[slot, h] · vector[h, f] · leakyRelu′(…)`; the terms of the sum to `dc[slot, h, f]`, and
   * `dvector[h, f] += Σ g[slot, h] · leakyRelu(…)`, where those pointers are not 0.
   */
  edgeAdditiveGrad(
    a: number,
    b: number,
    c: number,
    vector: number,
    g: number,
    da: number,
    dc: number,
    dvector: number,
    offsets: number,
    columns: number,
    slots: number,
    from: number,
    to: number,
    heads: number,
    width: number,
    slope: number,
  ): void;
}

export const edges: Family<EdgeKernels> = /* @__PURE__ */ defineFamily<EdgeKernels>("edges", wasm, reference);
