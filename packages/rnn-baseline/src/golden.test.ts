import { randomKey, transpose, type Tensor } from "@heed/tensor";
import { eachBackend, expectGolden, loadGolden, type GoldenCase } from "@heed/tensor/testing";
import { functionalCall, type Module } from "@heed/nn";
import { describe, expect, it } from "vitest";
import { GRU, GRUCell, LSTM, LSTMCell, RNN, RNNCell } from "./index.ts";

const key = randomKey(0);

function network({ options, inputs: { x } }: GoldenCase): LSTM | GRU | RNN {
  const { mode, hidden, num_layers, bidirectional, bias } = options as {
    mode: string;
    hidden: number;
    num_layers: number;
    bidirectional: boolean;
    bias: boolean;
  };
  const settings = { key, numLayers: num_layers, bidirectional, bias };
  const I = x.shape[2];
  if (mode === "lstm") return new LSTM(I, hidden, settings);
  return mode === "gru" ? new GRU(I, hidden, settings) : new RNN(I, hidden, { ...settings, nonlinearity: mode as "tanh" | "relu" });
}

function cell({ options, inputs: { x } }: GoldenCase): LSTMCell | GRUCell | RNNCell {
  const { mode, hidden, bias } = options as { mode: string; hidden: number; bias: boolean };
  const I = x.shape[1];
  if (mode === "lstm") return new LSTMCell(I, hidden, { key, bias });
  return mode === "gru"
    ? new GRUCell(I, hidden, { key, bias })
    : new RNNCell(I, hidden, { key, bias, nonlinearity: mode as "tanh" | "relu" });
}

/** Values and gradients of a case, with its parameters in place of the module's. */
function expectCase<M extends Module>(
  stored: GoldenCase,
  module: M,
  compute: (module: M, inputs: Readonly<Record<string, Tensor>>) => Record<string, Tensor>,
): void {
  expect(Object.keys(module.stateDict()).sort()).toEqual(Object.keys(stored.params).sort());
  for (const dtype of ["float32", "float64"] as const) {
    expectGolden(stored, ({ inputs, params }) => functionalCall(module, params, () => compute(module, inputs)), dtype);
  }
}

describe.each(eachBackend())("golden cases of rnn-baseline, $name", ({ use }) => {
  it.each(loadGolden("rnn-baseline", { op: "rnn" }))("agrees with $source on $name", (stored) =>
    use(() => {
      const turned = (x: Tensor) => (stored.options.batch_first === true ? x : transpose(x, 0, 1));
      expectCase<LSTM | GRU | RNN>(stored, network(stored), (module, { x, h0, c0, lengths }) => {
        const state = h0 === undefined ? {} : { state: { h: h0, ...(c0 && { c: c0 }) } as never };
        const { output, ...states } = module.forward(turned(x), { ...state, ...(lengths && { lengths }) });
        return { y: turned(output), ...states };
      });
    }),
  );

  it.each(loadGolden("rnn-baseline", { op: "rnn_cell" }))("agrees with $source on $name", (stored) =>
    use(() => {
      expectCase<LSTMCell | GRUCell | RNNCell>(stored, cell(stored), (module, { x, h, c }) => ({
        ...module.forward(x, { h, ...(c && { c }) } as never),
      }));
    }),
  );
});
