import { AdditiveDecoder, GRU, GRUCell, LSTM, LSTMCell, NARM, RNN, RNNCell, Seq2Seq } from "@heed/rnn-baseline";
import { crossEntropy, randomKey, reshape, transpose, type Tensor } from "@heed/tensor";
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

const decoderStep: Operation = ({ inputs: { embedded, state, memory, lengths }, params }): Record<string, Tensor> => {
  const [hiddenSize, memorySize] = [state!.shape[1]!, memory!.shape[2]!];
  const sizes = { inputSize: embedded!.shape[1]!, hiddenSize, memorySize, attentionSize: params["attention.v"]!.size };
  const decoder = withParams(new AdditiveDecoder({ ...sizes, vocabularySize: params["out.bias"]!.size }, randomKey(0)), params);
  return { ...decoder.forward(embedded!, state!, decoder.remember(memory!, lengths)) };
};

const seq2seq: Operation<{ hidden: number }> = ({ inputs, params }, { hidden }): Record<string, Tensor> => {
  const [sourceVocabularySize, embeddingDim] = params["src_embed.weight"]!.shape as [number, number];
  const sizes = { sourceVocabularySize, embeddingDim, hiddenSize: hidden, attentionSize: params["attention.v"]!.size };
  const model = withParams(new Seq2Seq({ ...sizes, vocabularySize: params["out.bias"]!.size }, { key: randomKey(0) }), params);
  const { logits, weights, memory } = model.teach(inputs.source!, inputs.target_in!, inputs.lengths);
  const [B, Lt, V] = logits.shape as [number, number, number];
  const loss = crossEntropy(reshape(logits, [B * Lt, V]), reshape(inputs.target_out!, [B * Lt]), { ignoreIndex: -100 });
  return { memory, logits, weights, loss };
};

const narm: Operation<{ normalize: boolean; hidden: number }> = ({ inputs, params }, { normalize, hidden }): Record<string, Tensor> => {
  const [items, embeddingDim] = params["item_embed.weight"]!.shape as [number, number];
  const model = withParams(new NARM(items, embeddingDim, hidden, { key: randomKey(0), normalize }), params);
  const { scores, alpha } = model.attend(inputs.items!, [...inputs.lengths!.toTypedArray()].map(Number));
  return { alpha, scores, loss: crossEntropy(scores, inputs.target!) };
};

/** Every `op` of the folder `rnn-baseline` that is there. */
export const recurrentOperations = {
  rnn,
  rnn_cell: rnnCell,
  additive_decoder_step: decoderStep,
  seq2seq_additive: seq2seq,
  narm,
} as unknown as Operations;
