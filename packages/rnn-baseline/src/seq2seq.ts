import { Dropout, Embedding, evaluating, Linear } from "@heed/nn";
import {
  concat,
  indexSelect,
  keep,
  noGrad,
  resident,
  reshape,
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
import { generate, greedy, type DecodingStrategy } from "@heed/transformer";
import { AdditiveDecoder, type Memory, type Recollection } from "./additive-decoder.ts";
import { GRU } from "./gru.ts";

export interface Seq2SeqSizes {
  readonly sourceVocabularySize: number;
  readonly vocabularySize: number;
  /** Width of both embeddings: E. */
  readonly embeddingDim: number;
  /** Of the decoder and of each direction of the encoder: H. */
  readonly hiddenSize: number;
  /** Hidden width of the score: A; 0 for no attention: each step reads the last states of both directions instead. */
  readonly attentionSize: number;
}

export interface Seq2SeqOptions {
  readonly key: RandomKey;
  /** Says tokens by the rows of the target embedding, see `AdditiveDecoder`: fewer parameters, and less work for large vocabularies. Default false. */
  readonly tied?: boolean;
  /** Of embeddings, and of what logits are read off, in `training`. Default 0. */
  readonly dropoutP?: number;
}

export interface TeachOptions {
  /** int32 `[n]`, places in the flattened `[B · Lt]`: logits there alone, such as where targets are not padding. Default everywhere. */
  readonly at?: Tensor;
}

export interface TranslateOptions {
  /** The tokens that begin and end a target. */
  readonly start: number;
  readonly end: number;
  readonly maxLength: number;
  /** How many tokens of each source are real; default all. */
  readonly lengths?: Tensor | readonly number[];
  /** Default `greedy()`; `beam(…)` and `sample(…)` of `@heed/transformer` too. */
  readonly strategy?: DecodingStrategy;
}

export interface Translation {
  readonly tokens: number[];
  /** `[tokens][Ls]`; without attention `[tokens][1]`, all 1. */
  readonly weights: number[][];
}

/** What the encoder made of the input: memory `[B, Ls, 2H]` (without attention `[B, 1, 2H]`), and where the decoder starts, `[B, H]`. */
export interface Encoded {
  readonly memory: Memory;
  readonly state: Tensor;
}

/**
 * Sequence to sequence with additive attention: a bidirectional GRU reads the source; an `AdditiveDecoder`, which starts at
 * `tanh(bridge · (the backward direction's last state))`, writes the target, its last token as input. With attentionSize 0 the decoder reads,
 * instead of what attention finds at each step, the last states of both directions: one vector for the whole source.
 *
 * Letters: B batch, Ls source and Lt target tokens, E embeddingDim, H hiddenSize, V vocabularySize.
 * Parameters: `src_embed.weight`, `tgt_embed.weight`, `encoder.*` (a `GRU`'s), `bridge.*`, and those of `AdditiveDecoder`.
 * @see Bahdanau, Cho, Bengio 2015 (arXiv:1409.0473); Cho et al. 2014 (without attention, arXiv:1406.1078)
 */
export class Seq2Seq extends AdditiveDecoder {
  readonly src_embed: Embedding;
  readonly tgt_embed: Embedding;
  readonly encoder: GRU;
  readonly bridge: Linear;
  readonly dropout: Dropout;

  constructor(sizes: Seq2SeqSizes, { key, tied = false, dropoutP = 0 }: Seq2SeqOptions) {
    const { sourceVocabularySize, vocabularySize, embeddingDim, hiddenSize, attentionSize } = sizes;
    const targets = new Embedding(vocabularySize, embeddingDim, { key: key.split("tgt_embed") });
    super(
      { inputSize: embeddingDim, hiddenSize, memorySize: 2 * hiddenSize, attentionSize, vocabularySize },
      key.split("decoder"),
      tied ? { tied: targets } : {},
    );
    this.src_embed = new Embedding(sourceVocabularySize, embeddingDim, { key: key.split("src_embed") });
    this.tgt_embed = targets;
    this.encoder = new GRU(embeddingDim, hiddenSize, { key: key.split("encoder"), bidirectional: true });
    this.bridge = new Linear(hiddenSize, hiddenSize, { key: key.split("bridge") });
    this.dropout = new Dropout(dropoutP);
  }

  /**
   * @param source int32 `[B, Ls]`
   * @param lengths `[B]`, how many of them are real; default all
   */
  encode(source: Tensor, lengths?: Tensor | readonly number[]): Encoded {
    if (source.rank !== 2) throw new ShapeError("Seq2Seq", "source must be [B, Ls]", { source: source.shape });
    const embedded = this.dropout.forward(this.src_embed.forward(source));
    const { output, h } = this.encoder.forward(embedded, lengths === undefined ? {} : { lengths });
    const backward = squeeze(slice(h, 0, 1, 2), 0); // [B, H]
    const state = tanh(this.bridge.forward(backward));
    if (this.attention !== null) return { memory: this.remember(output, lengths), state };
    const both = concat([squeeze(slice(h, 0, 0, 1), 0), backward], -1); // [B, 2H]
    return { memory: this.remember(reshape(both, [both.shape[0]!, 1, both.shape[1]!])), state };
  }

  /**
   * With the right answers as inputs (teacher forcing): logits of the token after each of `target`.
   * @param target int32 `[B, Lt]`: the start token, then the answer without its last token
   * @returns logits `[B, Lt, V]` (with `at`: `[n, V]`), weights over the source `[B, Lt, Ls]`, and the encoder's memory `[B, Ls, 2H]`; without
   * attention weights `[B, Lt, 1]` and memory `[B, 1, 2H]`
   * @throws {ShapeError} when source and target are no batches of the same size.
   *
   * Time O(B Lt) steps of the decoder, one after the other; the logits of all of them are one product.
   */
  teach(
    source: Tensor,
    target: Tensor,
    lengths?: Tensor | readonly number[],
    { at }: TeachOptions = {},
  ): { logits: Tensor; weights: Tensor; memory: Tensor } {
    if (target.rank !== 2 || target.shape[0] !== source.shape[0] || target.shape[1] === 0) {
      throw new ShapeError("Seq2Seq", "target must be [B, Lt], Lt at least 1", { source: source.shape, target: target.shape });
    }
    const encoded = this.encode(source, lengths);
    const inputs = this.dropout.forward(this.tgt_embed.forward(target));
    const { states, contexts, weights } = this.#follow(encoded, inputs);
    const wanted = (x: Tensor) => (at === undefined ? x : indexSelect(reshape(x, [x.shape[0]! * x.shape[1]!, x.shape[2]!]), at));
    const logits = this.say(this.dropout.forward(wanted(states)), wanted(contexts), wanted(inputs));
    return { logits, weights, memory: encoded.memory.values };
  }

  /** All steps with given inputs `[B, Lt, E]`. */
  #follow({ memory, state: first }: Encoded, inputs: Tensor): { states: Tensor; contexts: Tensor; weights: Tensor } {
    let state = first;
    const steps = Array.from({ length: inputs.shape[1]! }, (_, i) => {
      const step = this.recall(squeeze(slice(inputs, 1, i, i + 1), 1), state, memory);
      ({ state } = step);
      return step;
    });
    const all = (of: (step: Recollection) => Tensor) => stack(steps.map(of), 1);
    return { states: all((step) => step.state), contexts: all((step) => step.context), weights: all((step) => step.weights) };
  }

  /**
   * Writes token by token, from the start token on, until the end token or `maxLength`: the likeliest token at each step, or as the strategy has it.
   * Evaluates without recording, and owns the parameters while it runs.
   * @param source int32 `[B, Ls]`
   * @returns per sample the tokens without start and end, and for each of them its weights over the source
   * @throws as `generate` of `@heed/transformer`.
   *
   * Weights come from a second pass over the tokens that were found.
   */
  translate(source: Tensor, { start, end, maxLength, lengths, strategy = greedy() }: TranslateOptions): Translation[] {
    const owner = resident([this]);
    const quietly = <T>(fn: () => T): T => evaluating(() => noGrad(() => scope(fn)));
    try {
      const encoded = quietly(() => this.encode(source, lengths));
      const starts = Array.from({ length: source.shape[0]! }, () => [start]);
      const found = generate(this.#reading(encoded), starts, { maxNewTokens: maxLength, strategy, stopTokens: [end] });
      const said = found.map(({ tokens, stopped }) => (stopped ? tokens.slice(0, -1) : tokens));
      const Lt = Math.max(...said.map(({ length }) => length), 0);
      if (Lt === 0) return said.map((tokens) => ({ tokens, weights: [] }));
      const given = Int32Array.from({ length: said.length * Lt }, (_, p) =>
        p % Lt === 0 ? start : (said[Math.floor(p / Lt)]![(p % Lt) - 1] ?? end),
      );
      const weights = quietly(() => this.#follow(encoded, this.tgt_embed.forward(tensor(given, { shape: [said.length, Lt] }))).weights);
      const rows = weights.toArray() as number[][][];
      return said.map((tokens, b) => ({ tokens, weights: rows[b]!.slice(0, tokens.length) }));
    } finally {
      owner.release();
    }
  }

  /** The decoder as `generate` takes it, with its state and memory as what it keeps. */
  #reading({ memory: first, state: begun }: Encoded): Parameters<typeof generate>[0] {
    let [memory, state] = [first, begun];
    return {
      state: () => this.state(),
      decode: (ids) => {
        const input = this.tgt_embed.forward(squeeze(ids, 1));
        const step = this.forward(input, state, memory);
        state = keep(step.state);
        return reshape(step.logits, [ids.shape[0]!, 1, step.logits.shape[1]!]);
      },
      select: (samples) => {
        if (samples.length === state.shape[0] && samples.every((sample, i) => sample === i)) return;
        const rows = tensor(Int32Array.from(samples));
        const taken = (x: Tensor) => noGrad(() => indexSelect(x, rows));
        state = taken(state);
        memory = { values: taken(memory.values), keys: memory.keys && taken(memory.keys), open: memory.open && taken(memory.open) };
      },
    };
  }
}
