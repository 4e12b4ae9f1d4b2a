import { add, clamp, exp, relu, type Tensor } from "@heed/tensor";

/**
 * `elu(x) + 1`: x + 1 above 0, e^x below; positive everywhere (far below 0 it rounds to 0). Any shape → the same, an empty one too. Written so that
 * small values keep their digits. Time O(size of x), an exponential each.
 * @see Katharopoulos et al. 2020, eq. 7 (arXiv:2006.16236)
 */
export function eluPlusOne(x: Tensor): Tensor {
  return add(relu(x), exp(clamp(x, { high: 0 })));
}
