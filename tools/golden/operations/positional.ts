import { attention } from "@heed/attention";
import { causal } from "@heed/masks";
import { alibi, alibiSlopes, quadraticBias, rope, shaw, sinCos2d, sinusoidal, t5Bias, t5Buckets } from "@heed/positional";
import * as T from "@heed/tensor";
import type { Tensor } from "@heed/tensor";
import type { Bias } from "@heed/tensor/terms";
import { type Operation, type Operations } from "../operation.ts";

const sinusoidalTable: Operation<{ width: number; base: number; style: "interleaved" | "halves" }> = (
  { inputs: { positions }, dtype },
  { width, base, style },
) => ({
  table: sinusoidal(positions!.toTypedArray(), width, { base, style, dtype }),
});

interface GridOptions {
  height: number;
  width: number;
  embed: number;
  cls_token: boolean;
  base: number;
}
const gridTable: Operation<GridOptions> = ({ dtype }, { height, width, embed, cls_token: clsToken, base }) => ({
  table: sinCos2d(height, width, embed, { clsToken, base, dtype }),
});

interface RopeOptions {
  style: "interleaved" | "half_split";
  base: number;
  rotary_dim: number;
  position_scale: number;
}
const rotated: Operation<RopeOptions> = (
  { inputs: { x, positions } },
  { style, base, rotary_dim: rotaryDim, position_scale: positionScale },
) => ({
  y: rope(x!, { positions: positions!, style: style === "interleaved" ? style : "halfSplit", base, rotaryDim, positionScale }),
});

/** A bias by its dense definition, once for all samples: `[H, L, S]`. */
const spread = (bias: Bias, H: number, L: number, S: number, dtype: "float32" | "float64") =>
  T.reshape(bias.dense({ B: 1, H, L, S, queryOffset: S - L, dtype }), [H, L, S]);

const alibiBias: Operation<{ num_heads: number; symmetric: boolean; lq: number | null; lk: number | null }> = (
  { dtype },
  { num_heads: numHeads, symmetric, lq, lk },
) => ({
  slopes: T.tensor(Float64Array.from(alibiSlopes(numHeads)), { dtype }),
  ...(lq === null || lk === null ? {} : { bias: spread(alibi({ numHeads, symmetric }), numHeads, lq, lk, dtype) }),
});

interface T5Options {
  lq: number;
  lk: number;
  num_heads: number;
  bidirectional: boolean;
  num_buckets: number;
  max_distance: number;
}
const t5Relative: Operation<T5Options> = (
  { inputs: { relative }, params: { weight }, dtype },
  { lq, lk, num_heads: numHeads, bidirectional, num_buckets: numBuckets, max_distance: maxDistance },
) => {
  const buckets = (distances: ArrayLike<number>, shape: number[]) =>
    T.tensor(t5Buckets(distances, { bidirectional, numBuckets, maxDistance }), { shape });
  const distances = Array.from({ length: lq * lk }, (_, pair) => (pair % lk) - Math.floor(pair / lk) - (lk - lq));
  return {
    buckets_of_relative: buckets(relative!.toTypedArray() as Int32Array, [relative!.size]),
    buckets: buckets(distances, [lq, lk]),
    bias: spread(t5Bias({ weight: weight!, bidirectional, maxDistance }), numHeads, lq, lk, dtype),
  };
};

/** Attention whose scores are the quadratic encoding alone: image `[B, C, R, C']` → `[B, O, R, C']`, and the weights. */
function quadraticAttention(image: Tensor, centers: Tensor, alpha: Tensor, valueWeight: Tensor, bias: Tensor, dtype: "float32") {
  const [B, C, rows, columns] = image.shape as [number, number, number, number];
  const H = centers.shape[0]!;
  const nothing = T.zeros([1, H, rows * columns, 1], { dtype });
  const pixels = T.transpose(T.reshape(image, [B, 1, C, rows * columns]));
  const value = T.matmul(pixels, T.transpose(valueWeight)); // [B, H, pixels, O]
  const { output, weights } = attention(nothing, nothing, value, {
    bias: quadraticBias({ centers, alpha, grid: [rows, columns] }),
    returns: ["weights"],
  });
  const y = T.add(T.sum(output, 1), bias);
  return { y: T.reshape(T.transpose(y), [B, bias.size, rows, columns]), weights };
}

const quadraticLearned: Operation = ({ inputs: { image }, params: { centers, alpha, w_value: values, bias }, dtype }) => {
  const { y, weights } = quadraticAttention(image!, centers!, alpha!, values!, bias!, dtype as "float32");
  return { y, weights: T.slice(weights, 0, 0, 1).reshape(weights.shape.slice(1)) };
};

const quadraticConvolution: Operation<{ alpha: number; kernel: number }> = (
  { inputs: { image }, params: { conv_weight: weight, conv_bias: bias }, dtype },
  { alpha, kernel },
) => {
  const half = Math.floor(kernel / 2);
  const taps = kernel * kernel;
  const at = Float64Array.from({ length: 2 * taps }, (_, k) => (k % 2 === 0 ? Math.floor(k / 2 / kernel) : (k >> 1) % kernel) - half);
  const centers = T.tensor(at, { shape: [taps, 2], dtype });
  const spreads = T.full([taps], alpha, { dtype });
  const [O, C] = weight!.shape as [number, number];
  const values = T.permute(T.reshape(weight!, [O, C, taps]), [2, 0, 1]);
  const [height, width] = image!.shape.slice(2) as [number, number];
  const around: [number, number] = [half, half];
  const padded = T.pad(image!, [[0, 0], [0, 0], around, around]);
  const ofPadded = quadraticAttention(padded, centers, spreads, values, bias!, dtype as "float32").y;
  const inner = T.slice(T.slice(ofPadded, 2, half, half + height), 3, half, half + width);
  const interior = Uint8Array.from({ length: height * width }, (_, pixel) => {
    const [row, column] = [Math.floor(pixel / width), pixel % width];
    return Number(row >= half && row < height - half && column >= half && column < width - half);
  });
  return {
    y: quadraticAttention(image!, centers, spreads, values, bias!, dtype as "float32").y,
    y_padded: inner,
    conv: T.conv2d(image!, weight!, { bias: bias!, padding: half }),
    v: T.mul(T.concat([T.ones([taps, 1], { dtype }), T.mul(centers, -2)], 1), -alpha),
    w_value: values,
    centers: T.tensor(Int32Array.from(at), { shape: [taps, 2] }),
    interior: T.tensor(interior, { shape: [height, width], dtype: "bool" }),
  };
};

const relative: Operation<{ causal: boolean }> = ({ inputs: { q, k, v }, params: { rel_k, rel_v } }, { causal: causally }) => ({
  y: attention(q!, k!, v!, {
    bias: shaw({ table: rel_k! }),
    ...(rel_v === undefined ? {} : { valueTable: rel_v }),
    ...(causally ? { mask: causal() } : {}),
  }),
});

/** Every `op` of the folder `positional`. */
export const positionalOperations = {
  sinusoidal: sinusoidalTable,
  sincos_2d: gridTable,
  rope: rotated,
  alibi: alibiBias,
  t5_relative: t5Relative,
  quadratic_attention_learned: quadraticLearned,
  quadratic_conv: quadraticConvolution,
  shaw: relative,
} as unknown as Operations;
