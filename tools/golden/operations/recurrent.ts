import { LSTM } from "@heed/rnn-baseline";
import { randomKey, transpose, type Tensor } from "@heed/tensor";
import { Pending, type Operation, type Operations } from "../operation.ts";
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
const rnn: Operation<RnnOptions> = ({ inputs: { x, h0, c0, lengths }, params }, options) => {
  if (options.mode !== "lstm") throw new Pending(`mode ${options.mode} is not there yet`);
  const settings = { key: randomKey(0), numLayers: options.num_layers, bidirectional: options.bidirectional, bias: options.bias };
  const turned = (value: Tensor) => (options.batch_first ? value : transpose(value, 0, 1));
  const lstm = withParams(new LSTM(x!.shape[2]!, options.hidden, settings), params);
  const { output, h, c } = lstm.forward(turned(x!), { ...(lengths && { lengths }), ...(h0 && { state: { h: h0, c: c0! } }) });
  return { y: turned(output), h, c };
};

/** Every `op` of the folder `rnn-baseline` that is there. */
export const recurrentOperations = { rnn } as unknown as Operations;
