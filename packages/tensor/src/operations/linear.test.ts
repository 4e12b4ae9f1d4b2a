import { describe, expect, it } from "vitest";
import { copyInto } from "../core/compute.ts";
import { tensor, zeros } from "../core/construct.ts";
import { resident } from "../core/resident.ts";
import { memory, scope } from "../core/scope.ts";
import type { Tensor } from "../core/tensor.ts";
import { eachBackend } from "../testing/each-backend.ts";
import { expectClose } from "../testing/expect-close.ts";
import { expectGolden } from "../testing/expect-golden.ts";
import { expectGradient } from "../testing/expect-gradient.ts";
import { loadGolden } from "../testing/load-golden.ts";
import { randomTensor } from "../testing/random-tensor.ts";
import { gelu } from "./gelu.ts";
import { linear } from "./linear.ts";
import { reshape } from "./views.ts";

const activations = [
  { activation: "gelu", approximate: "none" },
  { activation: "geluTanh", approximate: "tanh" },
] as const;

describe.each(eachBackend())("on $name", ({ use }) => {
  it.each(loadGolden("tensor", { op: "linear" }))("agrees with $source on $name", (stored) =>
    use(() => {
      expectGolden(stored, ({ inputs: { x }, params: { weight, bias } }) => ({ y: linear(x, weight, bias) }));
    }),
  );

  it.each(activations)(
    "$activation in the same pass is gelu of the linear layer, to the bit, with the same gradients",
    ({ activation, approximate }) =>
      use(() => {
        const run = (fused: boolean, x: Tensor) => {
          const [from, weight, bias] = [x, randomTensor([9, 7], 2), randomTensor([9], 3)].map((given) =>
            tensor(given.toTypedArray(), { shape: given.shape, requiresGrad: true }),
          );
          const y = fused ? linear(from, weight, bias, { activation }) : gelu(linear(from, weight, bias), { approximate });
          y.backward(randomTensor(y.shape, 4));
          return [y, from.grad!, weight.grad!, bias.grad!].map((found) => found.toArray());
        };
        for (const shape of [[7], [5, 7], [2, 3, 7], [0, 7]]) {
          const x = randomTensor(shape, 1, { low: -4, high: 4 });
          expect(run(true, x)).toEqual(run(false, x));
          scope(() => expect(run(true, x)).toEqual(run(false, x)));
        }
        const strided = randomTensor([7, 5], 1).transpose();
        expect(linear(strided, randomTensor([9, 7], 2), undefined, { activation }).toArray()).toEqual(
          gelu(linear(strided, randomTensor([9, 7], 2)), { approximate }).toArray(),
        );
      }),
  );
});

describe("has the gradient of its central differences", () => {
  it("with and without bias", () => {
    expectGradient((x, weight, bias) => linear(x, weight, bias), [[2, 3, 5], [7, 5], [7]], { second: true });
    expectGradient((x, weight, bias) => linear(x, weight, bias), [[5], [7, 5], [7]]);
    expectGradient(
      (x, weight) => linear(x.transpose(), weight),
      [
        [5, 3],
        [7, 5],
      ],
    );
  });

  it.each(activations)("with $activation", ({ activation }) => {
    expectGradient((x, weight, bias) => linear(x, weight, bias, { activation }), [[2, 3, 5], [7, 5], [7]], { second: true });
    expectGradient(
      (x, weight) => linear(x.slice(1, 0, 2), weight, undefined, { activation }),
      [
        [2, 3, 5],
        [7, 5],
      ],
    );
  });
});

it("computes in float32 with weights stored in half precision", () => {
  const x = randomTensor([2, 3], 1, { requiresGrad: true });
  const weight = tensor(
    [
      [1, 0.5, 0.25],
      [2, -1, 4],
    ],
    { dtype: "bfloat16" },
  );
  const y = linear(x, weight);
  expectClose(y, linear(x.detach(), tensor(weight.toTypedArray(), { shape: [2, 3] })), 0);
  y.backward(randomTensor([2, 2], 2));
  expect(x.grad!.shape).toEqual([2, 3]);
});

it("packs a resident weight once for all calls between two writes, with the same bits, and gives the room back", () => {
  const before = memory().liveBytes;
  const x = randomTensor([40, 24], 1);
  const [one, other] = [2, 3].map((seed) => randomTensor([21, 24], seed));
  const expected = [one, other].map((weight) => linear(x, weight).toArray());
  const weight = tensor(one.toTypedArray(), { shape: [21, 24] });
  const owner = resident([weight]);
  const bytes = () => memory().liveBytes - before;
  const [plain, packed] = [4 * 21 * 24, 4 * 32 * 24];
  const seen = (index: number) => {
    expect(linear(x, weight).toArray()).toEqual(expected[index]);
    return bytes();
  };
  expect(bytes()).toBe(plain);
  expect([seen(0), seen(0), seen(0)]).toEqual([plain, plain + packed, plain + packed]);
  copyInto(weight, other);
  expect(bytes()).toBe(plain);
  expect([seen(1), seen(1)]).toEqual([plain, plain + packed]);
  expect(scope(() => linear(x, reshape(weight, [21, 24])).toArray())).toEqual(expected[1]);
  owner.release();
  expect(bytes()).toBe(0);
  expect(seen(1)).toBe(0);
});

it("leaves a weight that learns as it is", () => {
  const weight = tensor(randomTensor([21, 24], 2).toTypedArray(), { shape: [21, 24], requiresGrad: true });
  const owner = resident([weight]);
  const before = memory().liveBytes;
  for (let call = 0; call < 3; call++) linear(randomTensor([40, 24], 1), weight);
  expect(memory().liveBytes).toBe(before);
  owner.release();
});

it("gives the bias for an empty sum", () => {
  expectClose(
    linear(zeros([2, 0]), zeros([3, 0]), tensor([1, 2, 3])),
    [
      [1, 2, 3],
      [1, 2, 3],
    ],
    0,
  );
});

it("says what is wrong", () => {
  expect(() => linear(zeros([2, 3]), zeros([4, 2]))).toThrow(/linear: x \[\.\.\., I\] and weight \[O, I\] must share I/);
  expect(() => linear(zeros([2, 3]), zeros([4, 3]), zeros([3]))).toThrow(/linear: weight \[O, I\] and bias \[O\] must share O/);
  expect(() => linear(zeros([2, 3]), zeros([4, 3], { dtype: "float64" }))).toThrow(/linear: dtypes must agree/);
  expect(() => linear(zeros([2, 3]), zeros([4, 3]), undefined, { activation: "tanh" as "gelu" })).toThrow(
    /linear: activation is none, gelu, geluTanh; got activation "tanh"/,
  );
});
