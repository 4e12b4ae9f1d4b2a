import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { and, causal, fromTensor, padding, window } from "@heed/masks";
import { add, concat, div, grad, matmul, mul, ones, relu, slice, sum, tensor, transpose, where, zeros, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { eluPlusOne, linearAttention, type Form } from "../linear-time.ts";
import { repeatHeads } from "../internal/repeat-heads.ts";

const forms: readonly Form[] = ["parallel", "chunked", "recurrent"];

interface Case {
  readonly B: number;
  readonly Hkv: number;
  readonly group: number;
  readonly L: number;
  readonly S: number;
  readonly D: number;
  readonly E: number;
  readonly offset: number | undefined;
  readonly isCausal: boolean;
  readonly lengths: readonly number[] | undefined;
  readonly seed: number;
}
const cases = fc
  .record({
    B: fc.integer({ min: 1, max: 2 }),
    Hkv: fc.integer({ min: 1, max: 2 }),
    group: fc.constantFrom(1, 3),
    L: fc.oneof(fc.integer({ min: 1, max: 7 }), fc.constantFrom(63, 64, 65, 130)),
    S: fc.oneof(fc.integer({ min: 1, max: 7 }), fc.constantFrom(63, 64, 65, 130)),
    D: fc.integer({ min: 1, max: 4 }),
    E: fc.integer({ min: 1, max: 4 }),
    offset: fc.option(fc.integer({ min: -3, max: 5 }), { nil: undefined }),
    isCausal: fc.boolean(),
    padded: fc.boolean(),
    seed: fc.nat(1000),
  })
  .map(({ padded, ...rest }): Case => ({
    ...rest,
    lengths: padded ? Array.from({ length: rest.B }, (_, b) => (rest.seed * (b + 3)) % (rest.S + 2)) : undefined,
  }));

function operands({ B, Hkv, group, L, S, D, E, seed }: Case) {
  return {
    query: randomTensor([B, Hkv * group, L, D], seed),
    key: randomTensor([B, Hkv, S, D], seed + 1),
    value: randomTensor([B, Hkv, S, E], seed + 2),
  };
}

const maskOf = ({ isCausal, lengths }: Case) => and(...(isCausal ? [causal()] : []), ...(lengths === undefined ? [] : [padding(lengths)]));

const optionsOf = (one: Case) => ({ mask: maskOf(one), ...(one.offset === undefined ? {} : { queryOffset: one.offset }) });

/** The formula over all pairs. */
function definition(query: Tensor, key: Tensor, value: Tensor, one: Case): Tensor {
  const { B, Hkv, group, L, S, offset = S - L } = one;
  const open = maskOf(one).dense({ B, H: Hkv * group, L, S, queryOffset: offset });
  const scores = matmul(eluPlusOne(query), transpose(repeatHeads(eluPlusOne(key), group)));
  const weights = where(open, scores, 0);
  return div(matmul(weights, repeatHeads(value, group)), add(sum(weights, -1, { keepDims: true }), 1e-6));
}

describe.each(eachBackend())("linearAttention on $name", ({ use }) => {
  it("is its definition in all three forms, within 1e-5, for any lengths, offsets and padding", () => {
    use(() => {
      fc.assert(
        fc.property(cases, (one) => {
          const { query, key, value } = operands(one);
          const expected = definition(query, key, value, one);
          for (const form of forms) expectClose(linearAttention(query, key, value, { ...optionsOf(one), form }), expected, 1e-5);
        }),
        { numRuns: 40, seed: 5 },
      );
    });
  });

  it("goes on where another call ended", () => {
    use(() => {
      const one: Case = {
        B: 2,
        Hkv: 2,
        group: 2,
        L: 70,
        S: 70,
        D: 3,
        E: 5,
        offset: undefined,
        isCausal: true,
        lengths: undefined,
        seed: 1,
      };
      const { query, key, value } = operands(one);
      const all = linearAttention(query, key, value, { mask: causal(), returns: ["state"] });
      const part = (from: number, to: number) => [query, key, value].map((x) => slice(x, -2, from, to)) as [Tensor, Tensor, Tensor];
      for (const form of forms) {
        const first = linearAttention(...part(0, 66), { mask: causal(), form, returns: ["state"] });
        const second = linearAttention(...part(66, 70), { mask: causal(), form, state: first.state, returns: ["state"] });
        expectClose(concat([first.output, second.output], -2), all.output, 1e-5);
        expectClose(second.state.s, all.state.s, 1e-5 * 70);
        expectClose(second.state.z, all.state.z, 1e-5 * 70);
      }
    });
  });

  it("hears nothing of keys that a query does not see, NaN neither, in output and gradients", () => {
    use(() => {
      const [L, D] = [70, 3];
      const clean = [1, 2, 3].map((seed) => randomTensor([1, 1, L, D], seed));
      const spoil = (x: Tensor) => concat([slice(x, -2, 0, 50), mul(ones([1, 1, 1, D]), NaN), slice(x, -2, 51)], -2);
      const [query, key, value] = clean;
      for (const form of forms) {
        const run = (k: Tensor, v: Tensor) => linearAttention(query!, k, v, { mask: causal(), form });
        const expected = run(key!, value!);
        for (const spoiled of [run(spoil(key!), value!), run(key!, spoil(value!)), run(key!, mul(spoil(value!), -1))]) {
          expectClose(slice(spoiled, -2, 50), mul(ones([1, 1, 20, D]), NaN));
          const before = spoiled.toTypedArray().slice(0, 50 * D);
          expect(before.every(Number.isFinite)).toBe(true);
        }
        expectClose(slice(run(spoil(key!), value!), -2, 0, 50), slice(expected, -2, 0, 50), 1e-6);
        const slopes = grad((k: Tensor) => sum(slice(run(k, spoil(value!)), -2, 0, 50)))(key!);
        expect(Array.from(slopes.toTypedArray()).every(Number.isFinite)).toBe(true);
      }
    });
  });
});

it("ignores padded keys that hold NaN, and gives zeros, without gradient, where nothing is seen", () => {
  const query = concat([randomTensor([1, 1, 2, 3], 1), mul(ones([1, 1, 2, 3]), NaN)], 0);
  const key = concat([randomTensor([2, 1, 3, 3], 2), mul(ones([2, 1, 2, 3]), NaN)], -2);
  const value = concat([randomTensor([2, 1, 3, 2], 3), mul(ones([2, 1, 2, 2]), Infinity)], -2);
  for (const form of forms) {
    const run = (q: Tensor, k: Tensor, v: Tensor) => linearAttention(q, k, v, { mask: padding([3, 0]), form });
    const output = run(query, key, value);
    const seen = [query, key, value].map((x) => slice(slice(x, 0, 0, 1), -2, 0, 3)) as [Tensor, Tensor, Tensor];
    expectClose(slice(output, 0, 0, 1), linearAttention(...seen, { form }), 1e-6);
    expectClose(slice(output, 0, 1), zeros([1, 1, 2, 2]));
    const slopes = grad((k: Tensor) => sum(run(query, k, value)))(key);
    expectClose(slice(slopes, -2, 3), zeros([2, 1, 2, 3]));
    expectClose(slice(slopes, 0, 1), zeros([1, 1, 5, 3]));
  }
});

it.each([
  [0, 4],
  [3, 0],
  [0, 0],
])("takes %i queries and %i keys", (L, S) => {
  const shapes = [
    [1, 2, L, 3],
    [1, 2, S, 3],
    [1, 2, S, 2],
  ].map((shape) => zeros(shape)) as [Tensor, Tensor, Tensor];
  for (const form of forms) {
    for (const mask of [and(), causal()]) expectClose(linearAttention(...shapes, { mask, form }), zeros([1, 2, L, 2]));
  }
});

it("stands each sample where its queryOffset says", () => {
  const [query, key, value] = [randomTensor([3, 2, 4, 3], 1), randomTensor([3, 1, 9, 3], 2), randomTensor([3, 1, 9, 2], 3)];
  const offsets = Int32Array.of(5, 0, -2);
  for (const form of forms) {
    const all = linearAttention(query, key, value, { mask: causal(), queryOffset: offsets, form });
    offsets.forEach((queryOffset, b) => {
      const one = [query, key, value].map((x) => slice(x, 0, b, b + 1)) as [Tensor, Tensor, Tensor];
      expectClose(slice(all, 0, b, b + 1), linearAttention(...one, { mask: causal(), queryOffset }), 1e-6);
    });
  }
});

it("leaves axes out as attention does, and reads blhd", () => {
  const [query, key, value] = [1, 2, 3].map((seed) => randomTensor([5, 3], seed)) as [Tensor, Tensor, Tensor];
  const heads = [query, key, value].map((x) => x.reshape([1, 1, 5, 3])) as [Tensor, Tensor, Tensor];
  const expected = linearAttention(...heads);
  expectClose(linearAttention(query, key, value), expected.reshape([5, 3]));
  const turned = heads.map((x) => transpose(x, 1, 2)) as [Tensor, Tensor, Tensor];
  expectClose(linearAttention(...turned, { layout: "blhd" }), transpose(expected, 1, 2));
});

it.each(forms)("has the gradient of its central differences, and that a gradient, %s", (form) => {
  const shapes = [
    [1, 2, 2, 2],
    [1, 1, 3, 2],
    [1, 1, 3, 1],
  ];
  const mask = causal();
  expectGradient((q, k, v) => linearAttention(q, k, v, { mask, form }), shapes);
  expectGradient((q, k, v) => linearAttention(q, k, v, { mask: padding([2]), form }), shapes);
  expectGradient(
    (q, k, v, s, z) => linearAttention(q, k, v, { state: { s, z: add(z, 3) }, form, mask, returns: ["state"] }),
    [...shapes, [1, 1, 2, 1], [1, 1, 2]],
  );
  const tiny = [
    [1, 2, 1],
    [1, 2, 1],
    [1, 2, 1],
  ];
  expectGradient((q, k, v) => linearAttention(q, k, v, { mask, form }), tiny, { second: true });
});

describe("errors", () => {
  const x = zeros([2, 1, 4, 3]);
  it.each([
    ["a window", window(1, 0), /up to their own position or to a length; got mask "window\(1, 0\)".*Use causal\(\)/],
    ["a mask of a tensor", fromTensor(tensor([[true, false, true, false]])), /up to their own position or to a length/],
  ])("refuses %s", (_, mask, message) => {
    expect(() => linearAttention(x, x, x, { mask })).toThrow(message);
  });

  it("takes masks that amount to causal ones", () => {
    expectClose(linearAttention(x, x, x, { mask: window(-1, 0) }), linearAttention(x, x, x, { mask: causal() }));
  });

  it("names options that do not exist here", () => {
    expect(() => linearAttention(x, x, x, { isCausal: true } as object)).toThrow(/no option "isCausal".*mask: causal\(\)/);
    expect(() => linearAttention(x, x, x, { score: 1 } as object)).toThrow(/no option "score".*featureMap/);
  });

  it("checks features, state, form and eps", () => {
    expect(() => linearAttention(x, x, x, { featureMap: (y) => sum(y, -1) })).toThrow(/featureMap must turn/);
    expect(() => linearAttention(x, x, x, { state: { s: x, z: x } })).toThrow(/state must be/);
    expect(() => linearAttention(x, x, x, { form: "fast" as Form })).toThrow(/form is/);
    expect(() => linearAttention(x, x, x, { eps: -1 })).toThrow(/eps must be/);
    expect(() => linearAttention(x, zeros([2, 1, 5, 3]), x)).toThrow(/length S/);
  });
});

it("gives zeros where the divisor is 0", () => {
  const minus = mul(ones([1, 1, 2, 3]), -1);
  expectClose(linearAttention(minus, minus, minus, { featureMap: relu, eps: 0 }), zeros([1, 1, 2, 3]));
});
