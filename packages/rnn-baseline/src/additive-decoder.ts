import { Linear, Module, Parameter, torchUniform, type Embedding } from "@heed/nn";
import {
  add,
  concat,
  lessEqual,
  linear,
  matmul,
  ones,
  reshape,
  ShapeError,
  softmax,
  squeeze,
  tanh,
  tensor,
  unsqueeze,
  where,
  zeros,
  Tensor,
  type RandomKey,
} from "@heed/tensor";
import { GRUCell } from "./cells.ts";

export interface AdditiveDecoderSizes {
  /** Width of what it reads at each step: E. */
  readonly inputSize: number;
  /** H */
  readonly hiddenSize: number;
  /** Width of a memory vector: M. */
  readonly memorySize: number;
  /** Hidden width of the score: A; 0 for no attention: then a memory is one vector, which each step reads. */
  readonly attentionSize: number;
  /** How many tokens it can say: V. */
  readonly vocabularySize: number;
}

/** What a decoder attends to, with what of it is the same at every step. */
export interface Memory {
  /** `[B, L, M]` */
  readonly values: Tensor;
  /** The score's part of the memory, `[B, L, A]`; absent without attention. */
  readonly keys: Tensor | undefined;
  /** Bool `[B, L]`, false beyond a sample's end; absent where all are as long as the memory. */
  readonly open: Tensor | undefined;
}

/** What a step has before it says anything. */
export interface Recollection {
  /** `[B, H]` */
  readonly state: Tensor;
  /** What attention read, `[B, M]`. */
  readonly context: Tensor;
  /** Over the memory, `[B, L]`. */
  readonly weights: Tensor;
}

export interface DecoderStep extends Recollection {
  /** `[B, V]` */
  readonly logits: Tensor;
}

/** The parameters of an additive score: `w_q` `[A, H]`, `w_k` `[A, M]`, `v` `[A]`. */
class AdditiveAttention extends Module {
  readonly w_q: Parameter;
  readonly w_k: Parameter;
  readonly v: Parameter;

  constructor(querySize: number, keySize: number, size: number, key: RandomKey) {
    super();
    const drawn = (name: string, shape: number[], width: number) => new Parameter(torchUniform(key.split(name), shape, width));
    this.w_q = drawn("w_q", [size, querySize], querySize);
    this.w_k = drawn("w_k", [size, keySize], keySize);
    this.v = drawn("v", [size], size);
  }
}

export interface AdditiveDecoderOptions {
  /** `[V, E]`: says tokens by the rows of this table, which its owner holds (Press and Wolf 2017). Default: by weights of its own. */
  readonly tied?: Embedding | undefined;
}

/**
 * A decoder that looks back at the whole input at each step: with the state s before it, `e_j = v · tanh(w_q s + w_k m_j)`, weights = softmax(e) over the
 * sample's own memory, `context = Σ_j weights_j m_j`; then `s′ = GRU([input; context], s)`, `logits = out([s′; context; input])`; where tied,
 * `logits = table · tanh(out([s′; context; input])) + out_bias`. With attentionSize 0 there is one vector to remember, weights are 1.
 *
 * Letters: B batch, L memory vectors, E inputSize, H hiddenSize, M memorySize, A attentionSize, V vocabularySize.
 * Parameters: `attention.w_q`, `attention.w_k`, `attention.v`, `cell.*` (a `GRUCell`'s), `out.weight`, `out.bias`, and `out_bias` where tied.
 * @throws {ShapeError} for sizes that are no whole numbers from 1 on (attentionSize from 0 on), or a tied table that is not `[V, E]`.
 *
 * Time O(B (L (A + M) + (E + M + H) H + (H + M + E) V)) a step; where tied the last term is (H + M + E + V) E.
 * @see Bahdanau, Cho, Bengio 2015 (arXiv:1409.0473); Cho et al. 2014 (one vector, arXiv:1406.1078); Press and Wolf 2017 (arXiv:1608.05859)
 */
export class AdditiveDecoder extends Module {
  readonly attention: AdditiveAttention | null;
  readonly cell: GRUCell;
  readonly out: Linear;
  readonly out_bias: Parameter | null;
  readonly #sizes: AdditiveDecoderSizes;
  readonly #table: Embedding | undefined;

  constructor(sizes: AdditiveDecoderSizes, key: RandomKey, { tied }: AdditiveDecoderOptions = {}) {
    super();
    const { inputSize: E, hiddenSize: H, memorySize: M, attentionSize: A, vocabularySize: V } = sizes;
    for (const [name, size] of Object.entries({ inputSize: E, hiddenSize: H, memorySize: M, attentionSize: A, vocabularySize: V })) {
      const least = name === "attentionSize" ? 0 : 1;
      if (!Number.isInteger(size) || size < least)
        throw new ShapeError("AdditiveDecoder", `${name} must be a whole number from ${least} on`, { [name]: size });
    }
    if (tied !== undefined && (tied.weight.shape[0] !== V || tied.weight.shape[1] !== E)) {
      const got = { table: tied.weight.shape, vocabularySize: V, inputSize: E };
      throw new ShapeError("AdditiveDecoder", "a tied table must be [vocabularySize, inputSize]", got);
    }
    this.attention = A === 0 ? null : new AdditiveAttention(H, M, A, key.split("attention"));
    this.cell = new GRUCell(E + M, H, { key: key.split("cell") });
    this.out = new Linear(H + M + E, tied === undefined ? V : E, { key: key.split("out") });
    this.out_bias = tied === undefined ? null : new Parameter(zeros([V]));
    this.#sizes = sizes;
    this.#table = tied;
  }

  /**
   * Memory made ready for steps: once per input, not once per step.
   * @param values `[B, L, M]`
   * @param lengths how many vectors each sample has, from 1 to L; default all L
   * @throws {ShapeError} when values or lengths have another shape, or there are several vectors and no attention.
   */
  remember(values: Tensor, lengths?: Tensor | readonly number[]): Memory {
    const { memorySize: M } = this.#sizes;
    if (values.rank !== 3 || values.shape[2] !== M) {
      throw new ShapeError("AdditiveDecoder", "memory must be [B, L, memorySize]", { memory: values.shape, memorySize: M });
    }
    const [B, L] = values.shape as [number, number];
    if (this.attention === null) {
      if (L === 1) return { values, keys: undefined, open: undefined };
      throw new ShapeError("AdditiveDecoder", "without attention the memory is one vector, [B, 1, memorySize]", { memory: values.shape });
    }
    const keys = linear(values, this.attention.w_k);
    if (lengths === undefined) return { values, keys, open: undefined };
    const ends = lengths instanceof Tensor ? [...lengths.toTypedArray()].map(Number) : lengths;
    if (ends.length !== B) {
      throw new ShapeError("AdditiveDecoder", "lengths must be [B]", { lengths: ends.length, memory: values.shape });
    }
    const wrong = ends.findIndex((length) => !(Number.isInteger(length) && length >= 1 && length <= L));
    if (wrong >= 0) {
      throw new ShapeError("AdditiveDecoder", "lengths must be from 1 to L, the vectors of the memory", {
        sample: wrong,
        length: ends[wrong],
        L,
      });
    }
    const places = tensor(Int32Array.from({ length: L }, (_, j) => j + 1));
    return { values, keys, open: lessEqual(places, tensor(Int32Array.from(ends), { shape: [B, 1] })) };
  }

  /**
   * @param input `[B, E]`, such as the embedding of the last token
   * @param state `[B, H]`
   */
  forward(input: Tensor, state: Tensor, memory: Memory): DecoderStep {
    const recollection = this.recall(input, state, memory);
    return { ...recollection, logits: this.say(recollection.state, recollection.context, input) };
  }

  /** A step without the logits, which nothing that follows depends on: `say` gives those of many steps at once. */
  recall(input: Tensor, state: Tensor, memory: Memory): Recollection {
    const { context, weights } = this.#look(state, memory);
    return { state: this.cell.forward(concat([input, context], -1), { h: state }).h, context, weights };
  }

  /** Logits `[…, V]` of the states after the steps `[…, H]`, their contexts `[…, M]` and inputs `[…, E]`. */
  say(state: Tensor, context: Tensor, input: Tensor): Tensor {
    const read = this.out.forward(concat([state, context, input], -1));
    if (this.#table === undefined) return read;
    return linear(tanh(read), this.#table.weight, this.out_bias!);
  }

  #look(state: Tensor, { values, keys, open }: Memory): { context: Tensor; weights: Tensor } {
    const { attention } = this;
    if (attention === null || keys === undefined) return { context: squeeze(values, 1), weights: ones([values.shape[0]!, 1]) };
    const pairs = tanh(add(unsqueeze(linear(state, attention.w_q), 1), keys)); // [B, L, A]
    const scores = matmul(pairs, attention.v); // [B, L]
    const weights = softmax(open === undefined ? scores : where(open, scores, -Infinity), -1);
    return { context: reshape(matmul(unsqueeze(weights, 1), values), [values.shape[0]!, values.shape[2]!]), weights };
  }
}
