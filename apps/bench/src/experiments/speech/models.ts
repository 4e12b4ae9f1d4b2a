import { attention } from "@heed/attention";
import { Conv2d } from "@heed/cnn-baseline";
import { and, padding, window } from "@heed/masks";
import { Dropout, LayerNorm, Linear, Module, Parameter } from "@heed/nn";
import { rope } from "@heed/positional";
import { LSTM } from "@heed/rnn-baseline";
import { add, gelu, maskedFill, reshape, scope, tensor, transpose, unsqueeze, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import { Conformer, TransformerEncoder } from "@heed/transformer";
import type { JsonObject } from "../../experiment.ts";

export interface Recordings {
  /** `[B, L, bands]`, shorter ones filled up. */
  readonly frames: Tensor;
  readonly lengths: Int32Array;
}

/** Plain data: a model is its shape and its parameters. */
export type SpeechShape = JsonObject & {
  readonly body: "attention" | "convolution" | "lstm" | "conformer";
  /** Frames before and after that attention sees; null: all. */
  readonly window: number | null;
  readonly bands: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Of feed-forward networks. */
  readonly hidden: number;
  /** Frames that a filter reaches over. */
  readonly kernelSize: number;
  readonly classes: number;
  readonly dropoutP: number;
};

/** Runs what a layer does: as it is, or in a scope of its own. */
type Within = (layer: () => Tensor) => Tensor;
const apart: Within = (layer) => layer();

/** Frames become frames that know of others, `[B, L, width]` → the same. */
interface Body extends Module {
  forward(x: Tensor, lengths: Int32Array, within: Within): Tensor;
}

/** A learned query attends to the frames of a recording, and what it gets tells the class. */
export class SpeechNet extends Module {
  readonly embed: Linear;
  readonly body: Body;
  readonly norm: LayerNorm;
  readonly query: Parameter;
  readonly dropout: Dropout;
  readonly out: Linear;

  constructor(shape: SpeechShape, key: RandomKey) {
    super();
    const { bands, width, classes, dropoutP } = shape;
    this.embed = new Linear(bands, width, { key: key.split("embed") });
    this.body = new bodies[shape.body](shape, key.split("body"));
    this.norm = new LayerNorm(width);
    // Zeros: training begins with the mean of all frames.
    this.query = new Parameter(zeros([1, width]));
    this.dropout = new Dropout(dropoutP);
    this.out = new Linear(width, classes, { key: key.split("out") });
  }

  /** `[B, classes]` */
  forward(recordings: Recordings): Tensor {
    const frames = this.#heard(recordings);
    return this.#logits(attention(this.query, frames, frames, { mask: padding(recordings.lengths) }));
  }

  /** As `forward`, without gradients, for long recordings: each layer gives its memory back before the next one. */
  stream(recordings: Recordings): Tensor {
    const frames = this.#heard(recordings, scope);
    return this.#logits(attention(this.query, frames, frames, { mask: padding(recordings.lengths) }));
  }

  /** As `forward`, with the weight of each frame, `[B, L]`. */
  attend(recordings: Recordings): { logits: Tensor; weights: Tensor } {
    const frames = this.#heard(recordings);
    const { output, weights } = attention(this.query, frames, frames, { mask: padding(recordings.lengths), returns: ["weights"] });
    return { logits: this.#logits(output), weights: reshape(weights, [weights.shape[0]!, weights.shape[3]!]) };
  }

  /** Frames as keys and values of one head, `[B, 1, L, width]`. */
  #heard({ frames, lengths }: Recordings, within: Within = apart): Tensor {
    return unsqueeze(this.norm.forward(this.body.forward(this.embed.forward(frames), lengths, within)), 1);
  }

  #logits(pooled: Tensor): Tensor {
    return this.out.forward(this.dropout.forward(reshape(pooled, [pooled.shape[0]!, pooled.shape[3]!])));
  }
}

class AttentionBody extends Module implements Body {
  readonly encoder: TransformerEncoder;
  readonly #window: number | null;

  constructor({ width, heads, layers, hidden, dropoutP, window: reach }: SpeechShape, key: RandomKey) {
    super();
    const options = { numLayers: layers, feedForwardDim: hidden, activation: "gelu", normFirst: true, finalNorm: false } as const;
    this.encoder = new TransformerEncoder(width, heads, { ...options, key, rotation: rope, dropoutP });
    this.#window = reach;
  }

  forward(x: Tensor, lengths: Int32Array, within: Within): Tensor {
    const mask = this.#mask(lengths);
    return this.encoder.layers.reduce((h, layer) => within(() => layer.forward(h, { mask })), x);
  }

  #mask(lengths: Int32Array) {
    const real = padding(lengths);
    return this.#window === null ? real : and(real, window(this.#window, this.#window));
  }

  /** Weights of the last layer, mean of the heads, for the first recording: one row of keys per query. */
  lastWeights(x: Tensor, lengths: Int32Array): number[][] {
    const before = this.encoder.layers.slice(0, -1).reduce((h, layer) => layer.forward(h, { mask: this.#mask(lengths) }), x);
    const { norm1, self_attn } = this.encoder.layers.at(-1)!;
    const input = norm1.forward(before);
    const heads = Array.from({ length: self_attn.numHeads }, (_, head) =>
      self_attn.weightsOf(input, input, { mask: this.#mask(lengths), head }).toArray(),
    ) as number[][][];
    return heads[0]!.map((row, i) => row.map((_, j) => heads.reduce((sum, rows) => sum + rows[i]![j]!, 0) / heads.length));
  }
}

class ConformerBody extends Module implements Body {
  readonly encoder: Conformer;

  constructor({ width, heads, layers, hidden, kernelSize, dropoutP }: SpeechShape, key: RandomKey) {
    super();
    this.encoder = new Conformer(width, heads, {
      key,
      numLayers: layers,
      feedForwardDim: hidden,
      kernelSize,
      rotation: rope,
      dropoutP,
    });
  }

  forward(x: Tensor, lengths: Int32Array): Tensor {
    return this.encoder.forward(x, { lengths });
  }
}

/** Both directions, each half as wide. */
class RecurrentBody extends Module implements Body {
  readonly lstm: LSTM;

  constructor({ width, layers, dropoutP }: SpeechShape, key: RandomKey) {
    super();
    this.lstm = new LSTM(width, width / 2, { key, numLayers: layers, bidirectional: true, dropoutP });
  }

  forward(x: Tensor, lengths: Int32Array): Tensor {
    return this.lstm.forward(x, { lengths: [...lengths] }).output;
  }
}

/** Convolutions along time, each with a norm before it and a residual around. */
class ConvolutionBody extends Module implements Body {
  readonly norms: readonly LayerNorm[];
  readonly convolutions: readonly Conv2d[];
  readonly dropout: Dropout;

  constructor({ width, layers, kernelSize, dropoutP }: SpeechShape, key: RandomKey) {
    super();
    this.norms = Array.from({ length: layers }, () => new LayerNorm(width));
    this.convolutions = this.norms.map(
      (_, i) => new Conv2d(width, width, { key: key.split(i), kernelSize: [1, kernelSize], padding: "same" }),
    );
    this.dropout = new Dropout(dropoutP);
  }

  forward(x: Tensor, lengths: Int32Array): Tensor {
    const [B, L, width] = x.shape as [number, number, number];
    const padded = tensor(
      Uint8Array.from({ length: B * L }, (_, at) => Number(at % L >= lengths[Math.floor(at / L)]!)),
      { shape: [B, L, 1], dtype: "bool" },
    );
    return this.convolutions.reduce((h, convolution, i) => {
      const real = maskedFill(this.norms[i]!.forward(h), padded, 0);
      const image = convolution.forward(reshape(transpose(real, 1, 2), [B, width, 1, L]));
      return add(h, this.dropout.forward(gelu(transpose(reshape(image, [B, width, L]), 1, 2))));
    }, x);
  }
}

const bodies = { attention: AttentionBody, conformer: ConformerBody, lstm: RecurrentBody, convolution: ConvolutionBody };

/** What the frames of the first recording attend to in the last layer; undefined for a model without attention of that kind. */
export function lastWeights(model: SpeechNet, { frames, lengths }: Recordings): number[][] | undefined {
  return model.body instanceof AttentionBody ? model.body.lastWeights(model.embed.forward(frames), lengths) : undefined;
}
