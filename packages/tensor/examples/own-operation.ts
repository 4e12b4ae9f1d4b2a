// An operation of one's own: x · |x|, with a gradient that differentiates again, and its check by central differences.
import { abs, grad, mul, sum, tensor, type Tensor } from "@heed/tensor";
import { computeOne, packed, record, requireReal, requireTensor } from "@heed/tensor/operation";
import { viewsOf } from "@heed/kernels";
import { expectGradient, randomTensor } from "@heed/tensor/testing";

function signedSquare(x: Tensor): Tensor {
  requireTensor("signedSquare", "x", x);
  const dtype = requireReal("signedSquare", x.dtype);
  const { real, shift } = viewsOf(dtype);
  const out = computeOne("signedSquare", [packed(x)], x.shape, dtype, ([from], to) => {
    const reals = real();
    for (let i = 0; i < x.size; i++) {
      const value = reals[(from >>> shift) + i];
      reals[(to >>> shift) + i] = value * Math.abs(value);
    }
  });
  // What the rule reads is listed as saved: it then follows the recording out of scopes.
  return record("signedSquare", out, [x], [x], (g) => [mul(g, mul(abs(x), 2))]);
}

expectGradient(signedSquare, [randomTensor([3, 5], 1, { awayFromZero: 0.1 })], { second: true });
console.log(signedSquare(tensor([-3, 2])).toArray(), grad((x: Tensor) => sum(signedSquare(x)))(tensor([-3, 2])).toArray()); // [ -9, 4 ] [ 6, 4 ]
