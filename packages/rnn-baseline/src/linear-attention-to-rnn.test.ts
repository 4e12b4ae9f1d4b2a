import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { linearAttention } from "@heed/attention/linear-time";
import { causal } from "@heed/masks";
import { linear, relu, reshape, slice, transpose, zeros, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { linearAttentionToRnn } from "./index.ts";

const sizes = fc.record({
  B: fc.integer({ min: 1, max: 3 }),
  L: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(70)),
  I: fc.integer({ min: 1, max: 5 }),
  H: fc.integer({ min: 1, max: 3 }),
  D: fc.integer({ min: 1, max: 4 }),
  E: fc.integer({ min: 1, max: 4 }),
  features: fc.constantFrom(undefined, (x: Tensor) => relu(x).add(0.1)),
  seed: fc.nat(1000),
});

function made({
  I,
  H,
  D,
  E,
  seed,
  features,
}: {
  I: number;
  H: number;
  D: number;
  E: number;
  seed: number;
  features?: ((x: Tensor) => Tensor) | undefined;
}) {
  const [queryWeight, keyWeight, valueWeight] = [D, D, E].map((width, at) => randomTensor([H * width, I], seed + at)) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  return { queryWeight, keyWeight, valueWeight, numHeads: H, ...(features === undefined ? {} : { featureMap: features }) };
}

describe.each(eachBackend())("linearAttentionToRnn on $name", ({ use }) => {
  it("is causal linear attention of all steps at once, within 1e-5", () => {
    use(() => {
      fc.assert(
        fc.property(sizes, (one) => {
          const { B, L, I, H, E, features, seed } = one;
          const options = made(one);
          const x = randomTensor([B, L, I], seed + 9);
          const heads = (weight: Tensor) => transpose(reshape(linear(x, weight), [B, L, H, weight.shape[0]! / H]), 1, 2);
          const operands = [heads(options.queryWeight), heads(options.keyWeight), heads(options.valueWeight)] as const;
          const expected = linearAttention(...operands, {
            mask: causal(),
            returns: ["state"],
            ...(features === undefined ? {} : { featureMap: features }),
          });
          const got = linearAttentionToRnn(options).forward(x);
          expectClose(got.output, reshape(transpose(expected.output, 1, 2), [B, L, H * E]), 1e-5);
          // Sums over L keys: the rounding of a sum grows with what it holds.
          expectClose(got.state.s, expected.state.s, { atol: 1e-5, rtol: 1e-5 });
          expectClose(got.state.z, expected.state.z, { atol: 1e-5, rtol: 1e-5 });
        }),
        { numRuns: 20, seed: 4 },
      );
    });
  });
});

it("goes step by step, with a state that does not grow", () => {
  const rnn = linearAttentionToRnn(made({ I: 3, H: 2, D: 4, E: 5, seed: 1 }));
  const x = randomTensor([2, 6, 3], 7);
  const all = rnn.forward(x);
  let state: ReturnType<typeof rnn.step>["state"] | undefined;
  for (let t = 0; t < 6; t++) {
    const one = rnn.step(reshape(slice(x, 1, t, t + 1), [2, 3]), state);
    expectClose(one.output, reshape(slice(all.output, 1, t, t + 1), [2, 10]), 1e-6);
    expect([one.state.s.shape, one.state.z.shape]).toEqual([
      [2, 2, 4, 5],
      [2, 2, 4],
    ]);
    state = one.state;
  }
  expectClose(state!.s, all.state.s, 1e-6);
});

it("takes no steps", () => {
  const rnn = linearAttentionToRnn(made({ I: 3, H: 2, D: 4, E: 5, seed: 1 }));
  const { output, state } = rnn.forward(zeros([2, 0, 3]));
  expect(output.shape).toEqual([2, 0, 10]);
  expectClose(state.s, zeros([2, 2, 4, 5]));
});

it("has the gradient of its central differences", () => {
  expectGradient(
    (x, queryWeight, keyWeight, valueWeight) => linearAttentionToRnn({ queryWeight, keyWeight, valueWeight, numHeads: 2 }).forward(x),
    [
      [1, 3, 2],
      [4, 2],
      [4, 2],
      [6, 2],
    ],
  );
});

it("says what does not fit", () => {
  const options = made({ I: 3, H: 2, D: 4, E: 5, seed: 1 });
  expect(() => linearAttentionToRnn({ ...options, numHeads: 3 })).toThrow(/numHeads must divide the rows of queryWeight/);
  expect(() => linearAttentionToRnn({ ...options, keyWeight: zeros([6, 3]) })).toThrow(/one width/);
  expect(() => linearAttentionToRnn({ ...options, valueWeight: zeros([6, 2]) })).toThrow(/valueWeight must be \[heads · width, I\]/);
  expect(() => linearAttentionToRnn(options).step(zeros([2, 4]))).toThrow(/x must be \[B, 3\]/);
  expect(() => linearAttentionToRnn(options).step(zeros([2, 3]), { s: zeros([2, 2, 4, 4]), z: zeros([2, 2, 4]) })).toThrow(
    /state.s must be/,
  );
});
