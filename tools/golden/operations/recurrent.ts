import { GRU, GRUCell, LSTM, LSTMCell, RNN, RNNCell } from "@heed/rnn-baseline";
import { randomKey, transpose, type Tensor } from "@heed/tensor";
import type { Operation, Operations } from "../operation.ts";
import { withParams } from "../with-params.ts";

interface RnnOptions {
  mode: "tanh" | "relu" | "lstm" | "gru";
  hidden: number;
  num_layers: number;
  bidirectional: boolean;
  bias: boolean;
  batch_first: boolean;
}

/** Ours are batch-first; time-first cases are transposed on the way in and out. */
const rnn: Operation<RnnOptions> = ({ inputs: { x, h0, c0, lengths }, params }, options): Record<string, Tensor> => {
  const settings = { key: randomKey(0), numLayers: options.num_layers, bidirectional: options.bidirectional, bias: options.bias };
  const turned = (value: Tensor) => (options.batch_first ? value : transpose(value, 0, 1));
  const inputSize = x!.shape[2]!;
  const ends = lengths === undefined ? {} : { lengths };
  if (options.mode === "lstm") {
    const lstm = withParams(new LSTM(inputSize, options.hidden, settings), params);
    const { output, h, c } = lstm.forward(turned(x!), { ...ends, ...(h0 && { state: { h: h0, c: c0! } }) });
    return { y: turned(output), h, c };
  }
  const { mode } = options;
  const network =
    mode === "gru" ? new GRU(inputSize, options.hidden, settings) : new RNN(inputSize, options.hidden, { ...settings, nonlinearity: mode });
  const { output, h } = withParams(network, params).forward(turned(x!), { ...ends, ...(h0 && { state: { h: h0 } }) });
  return { y: turned(output), h };
};

type CellOptions = Pick<RnnOptions, "mode" | "hidden" | "bias">;

const rnnCell: Operation<CellOptions> = ({ inputs: { x, h, c }, params }, { mode, hidden, bias }): Record<string, Tensor> => {
  const settings = { key: randomKey(0), bias };
  const inputSize = x!.shape[1]!;
  if (mode === "lstm") return { ...withParams(new LSTMCell(inputSize, hidden, settings), params).forward(x!, { h: h!, c: c! }) };
  const cell =
    mode === "gru" ? new GRUCell(inputSize, hidden, settings) : new RNNCell(inputSize, hidden, { ...settings, nonlinearity: mode });
  return { ...withParams(cell, params).forward(x!, { h: h! }) };
};

/** Every `op` of the folder `rnn-baseline` that is there. */
export const recurrentOperations = { rnn, rnn_cell: rnnCell } as unknown as Operations;
