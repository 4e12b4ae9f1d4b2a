export { AdditiveDecoder, type AdditiveDecoderSizes, type DecoderStep, type Memory } from "./additive-decoder.ts";
export { GRUCell, LSTMCell, RNNCell, type CellOptions } from "./cells.ts";
export { GRU, type HiddenState } from "./gru.ts";
export {
  linearAttentionToRnn,
  type FastWeightState,
  type LinearAttentionRnn,
  type LinearAttentionToRnnOptions,
} from "./linear-attention-to-rnn.ts";
export { LSTM, type LSTMState } from "./lstm.ts";
export { RNN, type RNNOptions } from "./rnn.ts";
export type { ForwardOptions, RecurrentOptions } from "./internal/recurrent-network.ts";
export { NARM, type NarmOptions } from "./narm.ts";
export { Seq2Seq, type Encoded, type Seq2SeqSizes, type TranslateOptions, type Translation } from "./seq2seq.ts";
