export { LSTM, type LSTMState } from "./lstm.ts";
export type { ForwardOptions, RecurrentOptions } from "./internal/recurrent-network.ts";
