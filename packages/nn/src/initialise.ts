import { normal, ShapeError, uniform, type RandomKey, type Tensor } from "@heed/tensor";

/**
 * Bounds and deviations of the usual initialisers for a weight of `shape` `[out, in, …kernel]`:
 * fanIn = in · |kernel|, fanOut = out · |kernel|.
 *
 * Time O(rank).
 * @throws {ShapeError} for a shape of one axis.
 * @see Glorot and Bengio 2010, "Understanding the Difficulty of Training Deep Feedforward Neural Networks" (Xavier); He et al. 2015, §2.2
 * (arXiv:1502.01852) (Kaiming), gain √2 for ReLU
 */
export function initialScales(shape: readonly number[]): {
  fanIn: number;
  fanOut: number;
  xavierUniform: number;
  xavierNormal: number;
  kaimingUniform: number;
  kaimingNormal: number;
  kaimingNormalFanOut: number;
  /** 1 / √fanIn: a fresh PyTorch linear or convolution layer. */
  torch: number;
} {
  if (shape.length < 2) throw new ShapeError("initialScales", "a weight has at least the axes [out, in]", { shape });
  const kernel = shape.slice(2).reduce((product, n) => product * n, 1);
  const fanIn = shape[1] * kernel;
  const fanOut = shape[0] * kernel;
  return {
    fanIn,
    fanOut,
    xavierUniform: Math.sqrt(6 / (fanIn + fanOut)),
    xavierNormal: Math.sqrt(2 / (fanIn + fanOut)),
    kaimingUniform: Math.sqrt(6 / fanIn),
    kaimingNormal: Math.sqrt(2 / fanIn),
    kaimingNormalFanOut: Math.sqrt(2 / fanOut),
    torch: 1 / Math.sqrt(fanIn),
  };
}

/**
 * Uniform within `±√(6 / (fanIn + fanOut))`, for a weight of `shape` `[out, in, …kernel]`. Time O(size).
 * @throws {ShapeError} for a shape of one axis.
 * @see Glorot and Bengio 2010, "Understanding the Difficulty of Training Deep Feedforward Neural Networks"
 */
export function xavierUniform(key: RandomKey, shape: readonly number[]): Tensor {
  const bound = initialScales(shape).xavierUniform;
  return uniform(key, shape, { low: -bound, high: bound });
}

/**
 * Uniform within `±√(6 / fanIn)`, for a weight of `shape` `[out, in, …kernel]`. Time O(size).
 * @throws {ShapeError} for a shape of one axis.
 * @see He et al. 2015, §2.2 (arXiv:1502.01852)
 */
export function kaimingUniform(key: RandomKey, shape: readonly number[]): Tensor {
  const bound = initialScales(shape).kaimingUniform;
  return uniform(key, shape, { low: -bound, high: bound });
}

/**
 * Normal with deviation `√(2 / fanOut)`, as ResNets start, for a weight of `shape` `[out, in, …kernel]`. Time O(size).
 * @throws {ShapeError} for a shape of one axis.
 * @see He et al. 2015, §2.2 (arXiv:1502.01852)
 */
export function kaimingNormalFanOut(key: RandomKey, shape: readonly number[]): Tensor {
  return normal(key, shape, { deviation: initialScales(shape).kaimingNormalFanOut });
}

/**
 * Uniform within `±1 / √fanIn`, zeros for a fanIn of 0: PyTorch's default for linear and convolution layers. Any shape. Time O(size).
 * @see PyTorch's `torch.nn.Linear.reset_parameters`
 */
export function torchUniform(key: RandomKey, shape: readonly number[], fanIn: number): Tensor {
  const bound = fanIn === 0 ? 0 : 1 / Math.sqrt(fanIn);
  return uniform(key, shape, { low: -bound, high: bound });
}
