import { Embedding, evaluating, Linear } from "@heed/nn";
import {
  argmax,
  noGrad,
  resident,
  scope,
  ShapeError,
  slice,
  squeeze,
  stack,
  tanh,
  tensor,
  type RandomKey,
  type Tensor,
} from "@heed/tensor";
import { AdditiveDecoder, type Memory } from "./additive-decoder.ts";
import { GRU } from "./gru.ts";

export interface Seq2SeqSizes {
  readonly sourceVocabularySize: number;
  readonly vocabularySize: number;
  /** Width of both embeddings: E. */
  readonly embeddingDim: number;
  /** Of the decoder and of each direction of the encoder: H. */
  readonly hiddenSize: number;
  /** Hidden width of the score: A. */
  readonly attentionSize: number;
}

export interface TranslateOptions {
  /** The tokens that begin and end a target. */
  readonly start: number;
  readonly end: number;
  readonly maxLength: number;
  /** How many tokens of each source are real; default all. */
  readonly lengths?: Tensor | readonly number[];
}

export interface Translation {
  readonly tokens: number[];
  readonly weights: number[][];
}

/** What the encoder made of the input: memory `[B, Ls, 2H]`, and where the decoder starts, `[B, H]`. */
export interface Encoded {
  readonly memory: Memory;
  readonly state: Tensor;
}

/**
 * Sequence to sequence with additive attention: a bidirectional GRU reads the source; an `AdditiveDecoder`, which starts at
 * `tanh(bridge · (the backward direction's last state))`, writes the target, its last token as input.
 *
 * Letters: B batch, Ls source and Lt target tokens, E embeddingDim, H hiddenSize, V vocabularySize.
 * Parameters: `src_embed.weight`, `tgt_embed.weight`, `encoder.*` (a `GRU`'s), `bridge.*`, and those of `AdditiveDecoder`.
 * @see Bahdanau, Cho, Bengio 2015 (arXiv:1409.0473)
 */
export class Seq2Seq extends AdditiveDecoder {
  readonly src_embed: Embedding;
  readonly tgt_embed: Embedding;
  readonly encoder: GRU;
  readonly bridge: Linear;

  constructor(sizes: Seq2SeqSizes, { key }: { readonly key: RandomKey }) {
    const { sourceVocabularySize, vocabularySize, embeddingDim, hiddenSize, attentionSize } = sizes;
    super({ inputSize: embeddingDim, hiddenSize, memorySize: 2 * hiddenSize, attentionSize, vocabularySize }, key.split("decoder"));
    this.src_embed = new Embedding(sourceVocabularySize, embeddingDim, { key: key.split("src_embed") });
    this.tgt_embed = new Embedding(vocabularySize, embeddingDim, { key: key.split("tgt_embed") });
    this.encoder = new GRU(embeddingDim, hiddenSize, { key: key.split("encoder"), bidirectional: true });
    this.bridge = new Linear(hiddenSize, hiddenSize, { key: key.split("bridge") });
  }

  /**
   * @param source int32 `[B, Ls]`
   * @param lengths `[B]`, how many of them are real; default all
   */
  encode(source: Tensor, lengths?: Tensor | readonly number[]): Encoded {
    if (source.rank !== 2) throw new ShapeError("Seq2Seq", "source must be [B, Ls]", { source: source.shape });
    const { output, h } = this.encoder.forward(this.src_embed.forward(source), lengths === undefined ? {} : { lengths });
    const backward = squeeze(slice(h, 0, 1, 2), 0); // [B, H]
    return { memory: this.remember(output, lengths), state: tanh(this.bridge.forward(backward)) };
  }

  /**
   * With the right answers as inputs (teacher forcing): logits of the token after each of `target`.
   * @param target int32 `[B, Lt]`: the start token, then the answer without its last token
   * @returns logits `[B, Lt, V]`, weights over the source `[B, Lt, Ls]`, and the encoder's memory `[B, Ls, 2H]`
   * @throws {ShapeError} when source and target are no batches of the same size.
   *
   * Time O(B Lt) steps of the decoder, one after the other.
   */
  teach(source: Tensor, target: Tensor, lengths?: Tensor | readonly number[]): { logits: Tensor; weights: Tensor; memory: Tensor } {
    if (target.rank !== 2 || target.shape[0] !== source.shape[0] || target.shape[1] === 0) {
      throw new ShapeError("Seq2Seq", "target must be [B, Lt], Lt at least 1", { source: source.shape, target: target.shape });
    }
    const encoded = this.encode(source, lengths);
    const inputs = this.tgt_embed.forward(target);
    let { state } = encoded;
    const steps = Array.from({ length: target.shape[1]! }, (_, i) => {
      const step = super.forward(squeeze(slice(inputs, 1, i, i + 1), 1), state, encoded.memory);
      ({ state } = step);
      return step;
    });
    return {
      logits: stack(
        steps.map(({ logits }) => logits),
        1,
      ),
      weights: stack(
        steps.map(({ weights }) => weights),
        1,
      ),
      memory: encoded.memory.values,
    };
  }

  /**
   * The likeliest token at each step, from the start token on, until the end token or `maxLength`. Evaluates without recording, and owns the parameters
   * while it runs.
   * @param source int32 `[B, Ls]`
   * @returns per sample the tokens without start and end, and for each of them its weights over the source, `[tokens][Ls]`
   */
  translate(source: Tensor, { start, end, maxLength, lengths }: TranslateOptions): Translation[] {
    const owner = resident([this]);
    try {
      return evaluating(() => noGrad(() => scope(() => this.#translate(source, { start, end, maxLength, ...(lengths && { lengths }) }))));
    } finally {
      owner.release();
    }
  }

  #translate(source: Tensor, { start, end, maxLength, lengths }: TranslateOptions): Translation[] {
    const encoded = this.encode(source, lengths);
    const found: Translation[] = Array.from({ length: source.shape[0]! }, () => ({ tokens: [], weights: [] }));
    const open = new Set(found.keys());
    let { state } = encoded;
    let last = new Int32Array(found.length).fill(start);
    for (let i = 0; i < maxLength && open.size > 0; i++) {
      const step = scope(() => {
        const { logits, state: next, weights } = super.forward(this.tgt_embed.forward(tensor(last)), state, encoded.memory);
        return { said: argmax(logits, -1), next, weights };
      });
      state = step.next;
      last = Int32Array.from(step.said.toTypedArray());
      const weights = step.weights.toArray() as number[][];
      for (const b of open) {
        if (last[b] === end) open.delete(b);
        else {
          found[b]!.tokens.push(last[b]!);
          found[b]!.weights.push(weights[b]!);
        }
      }
    }
    return found;
  }
}
