import { causal } from "@heed/masks";
import { Embedding, Linear, Module } from "@heed/nn";
import { LearnedPositions } from "@heed/positional";
import { LSTM, RNN } from "@heed/rnn-baseline";
import { add, concat, indexSelect, log, neg, reshape, slice, uniform, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import { TransformerEncoder } from "@heed/transformer";
import type { ModelName } from "./index.ts";

export interface ReaderShape {
  readonly model: ModelName;
  /** Of each kind of input. */
  readonly vocabularySizes: readonly number[];
  readonly classCount: number;
  readonly length: number;
  readonly width: number;
}

/** Reads a sequence from left to right: what is said at a place depends on what came before. */
export class Reader extends Module {
  readonly embeddings: readonly Embedding[];
  readonly positions: LearnedPositions | null;
  readonly body: RNN | LSTM | TransformerEncoder;
  readonly out: Linear;

  constructor({ model, vocabularySizes, classCount, length, width }: ReaderShape, key: RandomKey) {
    super();
    this.embeddings = vocabularySizes.map((size, i) => new Embedding(size, width, { key: key.split("embeddings").split(i) }));
    this.positions = model === "attention" ? new LearnedPositions(length, width, { key: key.split("positions"), deviation: 0.5 }) : null;
    this.body = bodyOf({ model, vocabularySizes, classCount, length, width }, key.split("body"));
    this.out = new Linear(width, classCount, { key: key.split("out") });
  }

  /**
   * @param inputs int32 `[B, L]` of each kind
   * @param asked int32 `[A]`: places of the batch, b · L + i, at which something is to be said
   * @returns `[A, classCount]`
   */
  forward(inputs: readonly Tensor[], asked: Tensor): Tensor {
    const x = inputs.map((ids, i) => this.embeddings[i]!.forward(ids)).reduce((sum, vectors) => add(sum, vectors));
    const seen =
      this.body instanceof TransformerEncoder
        ? this.body.forward(this.positions!.forward(x), { mask: causal() })
        : this.body.forward(x).output;
    const [B, L, width] = seen.shape as [number, number, number];
    return this.out.forward(indexSelect(reshape(seen, [B * L, width]), asked));
  }
}

function bodyOf({ model, width, length }: ReaderShape, key: RandomKey): Reader["body"] {
  if (model === "rnn") return new RNN(width, width, { key });
  if (model === "lstm") return new LSTM(width, width, { key });
  if (model === "lstm-chrono") return remembering(new LSTM(width, width, { key: key.split("lstm") }), length, key.split("spans"));
  return new TransformerEncoder(width, heads, { key, numLayers: 1, feedForwardDim: 2 * width, normFirst: true, activation: "gelu" });
}

/**
 * Gates that begin by remembering for 1 … length steps: biases of forget gates are ln u of such a span u, those of input gates −ln u.
 * @see Tallec, Ollivier 2018 (arXiv:1804.11188), eq. 16
 */
function remembering(lstm: LSTM, length: number, key: RandomKey): LSTM {
  const spans = uniform(key, [lstm.hiddenSize], { low: 1, high: Math.max(2, length - 1) });
  const open = log(spans);
  const state = lstm.stateDict();
  // PyTorch's order: input, forget, cell, output.
  const others = slice(state.bias_ih_l0!, 0, 2 * lstm.hiddenSize);
  lstm.loadStateDict({ ...state, bias_ih_l0: concat([neg(open), open, others]), bias_hh_l0: zeros(state.bias_hh_l0!.shape) });
  return lstm;
}

const heads = 1;
