import { Linear, Module, Parameter, torchUniform } from "@heed/nn";
import {
  add,
  concat,
  lessEqual,
  linear,
  matmul,
  reshape,
  ShapeError,
  softmax,
  tanh,
  tensor,
  unsqueeze,
  where,
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
  /** Hidden width of the score: A. */
  readonly attentionSize: number;
  /** How many tokens it can say: V. */
  readonly vocabularySize: number;
}

/** What a decoder attends to, with what of it is the same at every step. */
export interface Memory {
  /** `[B, L, M]` */
  readonly values: Tensor;
  /** The score's part of the memory, `[B, L, A]`. */
  readonly keys: Tensor;
  /** Bool `[B, L]`, false beyond a sample's end; absent where all are as long as the memory. */
  readonly open: Tensor | undefined;
}

export interface DecoderStep {
  /** `[B, V]` */
  readonly logits: Tensor;
  /** `[B, H]` */
  readonly state: Tensor;
  /** What attention read, `[B, M]`. */
  readonly context: Tensor;
  /** Over the memory, `[B, L]`. */
  readonly weights: Tensor;
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

/**
 * A decoder that looks back at the whole input at each step: with the state s before it, `e_j = v · tanh(w_q s + w_k m_j)`, weights = softmax(e) over the
 * sample's own memory, `context = Σ_j weights_j m_j`; then `s′ = GRU([input; context], s)`, `logits = out([s′; context; input])`.
 *
 * Letters: B batch, L memory vectors, E inputSize, H hiddenSize, M memorySize, A attentionSize, V vocabularySize.
 * Parameters: `attention.w_q`, `attention.w_k`, `attention.v`, `cell.*` (a `GRUCell`'s), `out.weight`, `out.bias`.
 * @throws {ShapeError} for sizes that are no whole numbers from 1 on.
 *
 * Time of a step O(B (L (A + M) + (E + M + H) H + (H + M + E) V)).
 * @see Bahdanau, Cho, Bengio 2015 (arXiv:1409.0473)
 */
export class AdditiveDecoder extends Module {
  readonly attention: AdditiveAttention;
  readonly cell: GRUCell;
  readonly out: Linear;

  constructor({ inputSize: E, hiddenSize: H, memorySize: M, attentionSize: A, vocabularySize: V }: AdditiveDecoderSizes, key: RandomKey) {
    super();
    for (const [name, size] of Object.entries({ inputSize: E, hiddenSize: H, memorySize: M, attentionSize: A, vocabularySize: V })) {
      if (!Number.isInteger(size) || size < 1)
        throw new ShapeError("AdditiveDecoder", `${name} must be a whole number from 1 on`, { [name]: size });
    }
    this.attention = new AdditiveAttention(H, M, A, key.split("attention"));
    this.cell = new GRUCell(E + M, H, { key: key.split("cell") });
    this.out = new Linear(H + M + E, V, { key: key.split("out") });
  }

  /**
   * Memory made ready for steps: once per input, not once per step.
   * @param values `[B, L, M]`
   * @param lengths how many vectors each sample has, from 1 to L; default all L
   * @throws {ShapeError} when values or lengths have another shape.
   */
  remember(values: Tensor, lengths?: Tensor | readonly number[]): Memory {
    const M = this.attention.w_k.shape[1]!;
    if (values.rank !== 3 || values.shape[2] !== M) {
      throw new ShapeError("AdditiveDecoder", "memory must be [B, L, memorySize]", { memory: values.shape, memorySize: M });
    }
    const [B, L] = values.shape as [number, number];
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
  forward(input: Tensor, state: Tensor, { values, keys, open }: Memory): DecoderStep {
    const pairs = tanh(add(unsqueeze(linear(state, this.attention.w_q), 1), keys)); // [B, L, A]
    const scores = matmul(pairs, this.attention.v); // [B, L]
    const weights = softmax(open === undefined ? scores : where(open, scores, -Infinity), -1);
    const context = reshape(matmul(unsqueeze(weights, 1), values), [values.shape[0]!, values.shape[2]!]);
    const { h } = this.cell.forward(concat([input, context], -1), { h: state });
    return { logits: this.out.forward(concat([h, context, input], -1)), state: h, context, weights };
  }
}
