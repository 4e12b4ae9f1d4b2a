import { concat, flip, noGrad, randomKey, scope, ShapeError, slice, tensor, zeros, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose, expectGradient, randomTensor } from "@heed/tensor/testing";
import { training } from "@heed/nn";
import { backend, configuration, configure, linearMemory, threads } from "@heed/kernels";
import { describe, expect, it } from "vitest";
import { GRU, GRUCell, LSTM, LSTMCell, RNN, RNNCell } from "./index.ts";
import type { CellRule } from "./internal/cell-rule.ts";
import { denseSequence } from "./internal/dense-sequence.ts";
import { gruRule } from "./internal/gru-rule.ts";
import { lstmRule } from "./internal/lstm-rule.ts";
import { recurrentSequence, type Direction } from "./internal/recurrent-sequence.ts";
import { nonlinearityRule } from "./internal/rnn-rule.ts";

const key = randomKey(3);
const [B, L, I, H] = [3, 5, 2, 7];
const x = randomTensor([B, L, I], 1);
const kinds = [
  ["LSTM", LSTM, LSTMCell],
  ["GRU", GRU, GRUCell],
  ["RNN", RNN, RNNCell],
] as const;

/** Random operands of a sequence, as a flat list, and how to read it. */
function operands(rule: CellRule, directions: 1 | 2, { bias = true, states = true } = {}) {
  const [b, l, i, h] = [3, 4, 2, 3];
  const shapes = [[b, l, i]];
  const perDirection = [
    [rule.shape.inputSlots * h, i],
    [rule.shape.hidden.length * h, h],
    ...(bias ? [[rule.shape.slots * h]] : []),
    ...(states ? [[b, h], ...(rule.shape.hasCell ? [[b, h]] : [])] : []),
  ];
  for (let d = 0; d < directions; d++) shapes.push(...perDirection);
  const read = ([from, ...rest]: readonly Tensor[]): [Tensor, Direction[]] => [
    from,
    Array.from({ length: directions }, (_, d) => {
      const own = rest.slice(d * perDirection.length, (d + 1) * perDirection.length);
      const [weightIh, weightHh] = own;
      return {
        reverse: d === 1,
        weightIh,
        weightHh,
        bias: bias ? own[2] : undefined,
        h0: states ? own.at(rule.shape.hasCell ? -2 : -1) : undefined,
        c0: states && rule.shape.hasCell ? own.at(-1) : undefined,
      };
    }),
  ];
  return { shapes, read };
}

describe.each([lstmRule, gruRule, nonlinearityRule("RNN")])("the fused sequence of $name", (rule) => {
  it.each([
    [1, undefined],
    [2, undefined],
    [2, [4, 3, 1]],
    [1, [4, 0, 0]],
  ] as const)(
    "has the gradients of its central differences, twice, in %i directions with lengths %j",
    (directions, lengths) => {
      const { shapes, read } = operands(rule, directions);
      expectGradient(
        (...at) => {
          const { output, h, c } = recurrentSequence(rule, ...read(at), lengths);
          return [output, h, ...(c === undefined ? [] : [c])];
        },
        shapes,
        { second: lengths !== undefined && directions === 2 },
      );
    },
    30_000,
  );

  it("has a gradient where only the final state is read, without bias and initial state", () => {
    const { shapes, read } = operands(rule, 2, { bias: false, states: false });
    expectGradient((...at) => recurrentSequence(rule, ...read(at), [3, 2, 2]).h, shapes);
    if (rule.shape.hasCell) expectGradient((...at) => recurrentSequence(rule, ...read(at), undefined).c!, shapes);
  });

  it.each([[undefined], [[4, 2, 1]], [[3, 3, 0]]])("agrees with its dense definition, lengths %j", (lengths) => {
    const { shapes, read } = operands(rule, 2);
    const at = shapes.map((shape, seed) => randomTensor(shape, seed, { dtype: "float64" }));
    const [fused, dense] = [recurrentSequence, denseSequence].map((run) => run(rule, ...read(at), lengths));
    expectClose(fused.output, dense.output, 1e-14);
    expectClose(fused.h, dense.h, 1e-14);
    expect(fused.c === undefined).toBe(!rule.shape.hasCell);
    if (rule.shape.hasCell) expectClose(fused.c!, dense.c!, 1e-14);
  });
});

describe.each(kinds)("%s", (name, Network, Cell) => {
  const make = (options: object = {}) => new Network(I, H, { key, ...options });
  type Result = { output: Tensor; h: Tensor; c?: Tensor };
  const run = (network: { forward(x: Tensor, options?: never): Result }, from: Tensor, options: object = {}) =>
    network.forward(from, options as never);

  it("has PyTorch's parameter names and shapes", () => {
    const gates = { LSTM: 4, GRU: 3, RNN: 1 }[name];
    const names = (suffix: string) => [`weight_ih_${suffix}`, `weight_hh_${suffix}`, `bias_ih_${suffix}`, `bias_hh_${suffix}`];
    const network = make({ numLayers: 2, bidirectional: true });
    expect([...network.namedParameters().keys()]).toEqual(["l0", "l0_reverse", "l1", "l1_reverse"].flatMap(names));
    expect(network.namedParameters().get("weight_ih_l1")!.shape).toEqual([gates * H, 2 * H]);
    expect([...make({ bias: false }).namedParameters().keys()]).toEqual(["weight_ih_l0", "weight_hh_l0"]);
  });

  it.each(eachBackend())("gives each sequence what it gets alone, whatever the lengths of the others ($name)", ({ use }) =>
    use(() => {
      const network = make({ numLayers: 2, bidirectional: true });
      const lengths = [2, 5, 3];
      const { output, h, c } = run(network, x, { lengths });
      lengths.forEach((length, b) => {
        const alone = run(network, slice(slice(x, 0, b, b + 1), 1, 0, length));
        // Other shapes take other products: 7 terms per sum, a few layers deep.
        expectClose(slice(slice(output, 0, b, b + 1), 1, 0, length), alone.output, 1e-6);
        expectClose(slice(slice(output, 0, b, b + 1), 1, length), zeros([1, L - length, 2 * H]));
        expectClose(slice(h, 1, b, b + 1), alone.h, 1e-6);
        if (c !== undefined) expectClose(slice(c, 1, b, b + 1), alone.c!, 1e-6);
      });
    }),
  );

  it("never reads what lies beyond a length: NaN there changes no bit and gets no gradient", () => {
    const network = make({ bidirectional: true });
    const lengths = tensor(Int32Array.of(2, 0, 4));
    const results = [0, NaN].map((filler) => {
      const values = x.toTypedArray();
      [2, 0, 4].forEach((length, b) => values.fill(filler, (b * L + length) * I, (b + 1) * L * I));
      const given = tensor(values, { shape: [B, L, I], requiresGrad: true });
      network.parameters().forEach((parameter) => (parameter.grad = null));
      const { output, h } = run(network, given, { lengths });
      output
        .mul(randomTensor(output.shape, 8))
        .add(network.lastHidden(h).unsqueeze(1))
        .reshape([-1])
        .backward(randomTensor([B * L * 2 * H], 9));
      return [output, h, given.grad!, ...network.parameters().map(({ grad }) => grad!)].map((each) => each.toArray());
    });
    expect(results[1]).toEqual(results[0]);
    expect(JSON.stringify(results[0])).not.toContain("null"); // NaN
  });

  it("gives a sequence of length 0 its initial state", () => {
    const network = make();
    const h = randomTensor([1, B, H], 4);
    const state = name === "LSTM" ? { h, c: randomTensor([1, B, H], 5) } : { h };
    const result = run(network, x, { state, lengths: [5, 0, 2] });
    expectClose(slice(result.h, 1, 1, 2), slice(h, 1, 1, 2));
    if (result.c !== undefined) expectClose(slice(result.c, 1, 1, 2), slice(state.c!, 1, 1, 2));
  });

  it("reads backward as forward reads the flipped sequence", () => {
    const both = make({ bidirectional: true });
    const back = make();
    back.loadStateDict(Object.fromEntries(Object.keys(back.stateDict()).map((each) => [each, both.stateDict()[`${each}_reverse`]])));
    const { output, h } = run(both, x);
    const flipped = run(back, flip(x, 1));
    expectClose(slice(output, 2, H), flip(flipped.output, 1));
    expectClose(slice(h, 0, 1), flipped.h);
  });

  it("goes on where a state left off", () => {
    const network = make({ numLayers: 2 });
    const whole = run(network, x);
    const { output, ...state } = run(network, slice(x, 1, 0, 2));
    const rest = run(network, slice(x, 1, 2), { state });
    expectClose(concat([output, rest.output], 1), whole.output, 1e-6);
    expectClose(rest.h, whole.h, 1e-6);
  });

  it("takes the steps of its cell", () => {
    const network = make();
    const cell = new Cell(I, H, { key });
    cell.loadStateDict(Object.fromEntries(Object.keys(cell.stateDict()).map((each) => [each, network.stateDict()[`${each}_l0`]])));
    let state: { h: Tensor; c?: Tensor } | undefined;
    const { output } = run(network, x);
    for (let t = 0; t < L; t++) {
      state = cell.forward(x.slice(1, t, t + 1).reshape([B, I]), state as never);
      expectClose(state.h, output.slice(1, t, t + 1).reshape([B, H]), 1e-6);
    }
  });

  it("computes the same bits with and without recording, in scopes and outside", () => {
    const network = make({ numLayers: 2, bidirectional: true });
    const plain = run(network, x).output.toArray();
    expect(noGrad(() => run(network, x)).output.toArray()).toEqual(plain);
    expect(scope(() => run(network, x)).output.toArray()).toEqual(plain);
  });

  it("takes no sequences, and sequences of no steps", () => {
    const network = make({ bidirectional: true });
    expect(run(network, zeros([0, L, I])).output.shape).toEqual([0, L, 2 * H]);
    const none = run(network, zeros([B, 0, I]));
    expect([none.output.shape, none.h.toArray()]).toEqual([[B, 0, 2 * H], zeros([2, B, H]).toArray()]);
  });

  it("drops between layers in training only", () => {
    const network = make({ numLayers: 2, dropoutP: 0.5 });
    const evaluated = run(network, x).output.toArray();
    expect(run(network, x).output.toArray()).toEqual(evaluated);
    const trained = () => training(key, () => run(network, x)).output.toArray();
    expect(trained()).not.toEqual(evaluated);
    expect(trained()).toEqual(trained());
    const single = make({ dropoutP: 0.5 });
    expect(training(key, () => run(single, x)).output.toArray()).toEqual(run(single, x).output.toArray());
  });

  it("puts the last states of both directions side by side", () => {
    const network = make({ numLayers: 2, bidirectional: true });
    const { output, h } = run(network, x);
    const last = network.lastHidden(h);
    expectClose(slice(last, 1, 0, H), slice(slice(output, 1, L - 1), 2, 0, H).reshape([B, H]));
    expectClose(slice(last, 1, H), slice(slice(output, 1, 0, 1), 2, H).reshape([B, H]));
  });

  it("says what is wrong with its arguments", () => {
    const network = make();
    expect(() => run(network, zeros([B, I]))).toThrow(
      `${name}: x must be [B, L, inputSize]; got x [3, 2], inputSize 2. Batch comes first; one sequence is [1, L, inputSize].`,
    );
    expect(() => run(network, x, { state: { h: zeros([B, H]), ...(name === "LSTM" && { c: zeros([B, H]) }) } })).toThrow(
      "states must be [numLayers · directions, B, hiddenSize]",
    );
    expect(() => run(network, x, { lengths: [1, 2] })).toThrow("lengths must be one whole number per sequence, from 0 to L");
    expect(() => run(network, x, { lengths: [1, 2, 6] })).toThrow("lengths");
    expect(() => run(network, x, { lengths: tensor([1, 2, 3]) })).toThrow("lengths must be int32");
    expect(() => run(network, randomTensor([B, L, I], 1, { dtype: "float64" }))).toThrow("must have one dtype");
    expect(() => make({ numLayers: 0 })).toThrow(ShapeError);
    expect(() => make({ dropoutP: 1 })).toThrow("dropoutP");
    expect(() => network.lastHidden(zeros([2, B, H]))).toThrow("Pass h of forward's result.");
    expect(() => new Cell(I, H, { key }).forward(x)).toThrow(`${name}Cell: x must be [B, inputSize]`);
  });
});

it("names an unknown nonlinearity", () => {
  expect(() => new RNN(I, H, { key, nonlinearity: "sigmoid" as never })).toThrow(
    'RNN: nonlinearity must be tanh or relu; got nonlinearity "sigmoid".',
  );
});

it("computes the same bits on one thread and on two, forward and backward", async ({ skip }) => {
  const before = configuration().threads;
  const length = 24;
  const network = new LSTM(40, 72, { key, bidirectional: true });
  const given = randomTensor([25, length, 40], 1);
  const lengths = Array.from({ length: 25 }, (_, b) => (7 * b) % (length + 1));
  const run = () => {
    network.parameters().forEach((parameter) => (parameter.grad = null));
    const { output, h } = network.forward(given, { lengths });
    output
      .mul(randomTensor(output.shape, 8))
      .add(network.lastHidden(h).unsqueeze(1).slice(2, 0, 144))
      .reshape([-1])
      .backward(randomTensor([25 * length * 144], 9));
    return [output, h, ...network.parameters().map(({ grad }) => grad!)].map((each) => each.toTypedArray());
  };
  try {
    configure({ threads: 1 });
    const alone = run();
    configure({ threads: 2 });
    await threads.ready();
    if (!linearMemory().isShared) skip("no shared memory");
    expect(backend().threads).toBe(2);
    expect(run()).toEqual(alone);
  } finally {
    configure({ threads: before });
  }
});
