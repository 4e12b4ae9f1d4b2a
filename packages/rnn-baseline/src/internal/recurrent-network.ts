import {
  concat,
  DTypeError,
  dropout,
  HeedError,
  indexSelect,
  reshape,
  ShapeError,
  slice,
  tensor,
  Tensor,
  transpose,
  type RandomKey,
} from "@heed/tensor";
import { requireReal, requireTensor, sameShape, widened } from "@heed/tensor/operation";
import { dropoutKey, Module, Parameter, torchUniform } from "@heed/nn";
import type { CellRule } from "./cell-rule.ts";
import { recurrentSequence, type Direction } from "./recurrent-sequence.ts";

export interface RecurrentOptions {
  /** Where the initial values come from. */
  readonly key: RandomKey;
  /** Layers on top of one another. Default 1. */
  readonly numLayers?: number;
  /** Also from the end to the start; outputs stand side by side, forward first. Default false. */
  readonly bidirectional?: boolean;
  /** Default true. */
  readonly bias?: boolean;
  /** In training, dropout on the outputs of each layer but the last. Default 0. */
  readonly dropoutP?: number;
}

export interface ForwardOptions<State> {
  /** Where to start. Default: zeros. */
  readonly state?: State;
  /**
   * How many steps of each sequence are real, 0 to L: int32 `[B]`, or numbers. What lies beyond is never read, outputs there are
   * 0, final states are those after the last real step, and the backward direction begins there. Default: all L.
   */
  readonly lengths?: Tensor | readonly number[];
}

/** Layers and directions of one kind of recurrence, with PyTorch's parameter names. */
export abstract class RecurrentNetwork extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly bidirectional: boolean;
  readonly bias: boolean;
  readonly dropoutP: number;
  readonly #rule: CellRule;

  protected constructor(
    rule: CellRule,
    inputSize: number,
    hiddenSize: number,
    { key, numLayers = 1, bidirectional = false, bias = true, dropoutP = 0 }: RecurrentOptions,
  ) {
    super();
    for (const [name, size] of Object.entries({ inputSize, hiddenSize, numLayers })) {
      if (!Number.isInteger(size) || size < 1)
        throw new ShapeError(rule.name, `${name} must be a whole number, at least 1`, { [name]: size });
    }
    if (!(dropoutP >= 0 && dropoutP < 1)) throw new ShapeError(rule.name, "dropoutP must be in [0, 1)", { dropoutP });
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = numLayers;
    this.bidirectional = bidirectional;
    this.bias = bias;
    this.dropoutP = dropoutP;
    this.#rule = rule;
    const rows = rule.shape.hidden.length * hiddenSize;
    for (let layer = 0; layer < numLayers; layer++) {
      const width = layer === 0 ? inputSize : this.numDirections * hiddenSize;
      for (const suffix of this.#suffixes(layer)) {
        const shapes = {
          [`weight_ih_${suffix}`]: [rows, width],
          [`weight_hh_${suffix}`]: [rows, hiddenSize],
          ...(bias && { [`bias_ih_${suffix}`]: [rows], [`bias_hh_${suffix}`]: [rows] }),
        };
        for (const [name, shape] of Object.entries(shapes))
          Object.assign(this, { [name]: new Parameter(torchUniform(key.split(name), shape, hiddenSize)) });
      }
    }
  }

  /** 1, or 2 when bidirectional. */
  get numDirections(): number {
    return this.bidirectional ? 2 : 1;
  }

  /** Of final states h `[numLayers · directions, B, H]`: the last layer's, directions side by side, `[B, directions · H]`. What a classifier reads. */
  lastHidden(h: Tensor): Tensor {
    const D = this.numDirections;
    const expected = this.numLayers * D;
    if (h.rank !== 3 || h.shape[0] !== expected || h.shape[2] !== this.hiddenSize) {
      throw new ShapeError(
        `${this.#rule.name}.lastHidden`,
        "h must be [numLayers · directions, B, hiddenSize]",
        { h: h.shape, expected: [expected, "B", this.hiddenSize] },
        "Pass h of forward's result.",
      );
    }
    return reshape(transpose(slice(h, 0, expected - D), 0, 1), [h.shape[1], D * this.hiddenSize]);
  }

  protected run(
    x: Tensor,
    state: { readonly h: Tensor; readonly c?: Tensor } | undefined,
    given: Tensor | readonly number[] | undefined,
  ): { output: Tensor; h: Tensor; c?: Tensor } {
    const { name } = this.#rule;
    requireTensor(name, "x", x);
    if (x.rank !== 3 || x.shape[2] !== this.inputSize) {
      throw new ShapeError(
        name,
        "x must be [B, L, inputSize]",
        { x: x.shape, inputSize: this.inputSize },
        "Batch comes first; one sequence is [1, L, inputSize].",
      );
    }
    const [B, L] = x.shape;
    const D = this.numDirections;
    const H = this.hiddenSize;
    for (const [key, value] of Object.entries(state ?? {})) {
      requireTensor(name, `state.${key}`, value);
      if (!sameShape(value.shape, [this.numLayers * D, B, H])) {
        throw new ShapeError(name, "states must be [numLayers · directions, B, hiddenSize]", {
          [key]: value.shape,
          expected: [this.numLayers * D, B, H],
        });
      }
    }
    const lengths = given === undefined ? undefined : lengthsOf(name, given, B, L);
    const wide = widened(x);
    const dtype = requireReal(name, wide.dtype);

    // The fused step wants the longest sequences first: then those still running are always the first rows.
    const order = lengths?.map((_, b) => b).sort((a, b) => lengths[b] - lengths[a] || a - b);
    const sorted = order === undefined || order.every((b, i) => b === i) ? undefined : order;
    const put = (value: Tensor, axis: number) => (sorted === undefined ? value : indexSelect(value, indices(sorted), axis));
    const back = (value: Tensor, axis: number) => (sorted === undefined ? value : indexSelect(value, indices(inverse(sorted)), axis));
    const ends = sorted === undefined ? lengths : sorted.map((b) => lengths![b]);

    const h0 = state === undefined ? undefined : put(state.h, 1);
    const c0 = state?.c === undefined ? undefined : put(state.c, 1);
    const of = (states: Tensor | undefined, layer: number, d: number) =>
      states === undefined ? undefined : reshape(slice(states, 0, layer * D + d, layer * D + d + 1), [B, H]);
    const finals: { h: Tensor; c: Tensor | undefined }[] = [];
    let y = put(wide, 0);
    for (let layer = 0; layer < this.numLayers; layer++) {
      const directions = this.#suffixes(layer).map((suffix, d): Direction => ({
        reverse: d === 1,
        weightIh: this.#weight(`weight_ih_${suffix}`),
        weightHh: this.#weight(`weight_hh_${suffix}`),
        bias: this.bias ? this.#rule.bias(this.#weight(`bias_ih_${suffix}`), this.#weight(`bias_hh_${suffix}`)) : undefined,
        h0: of(h0, layer, d),
        c0: of(c0, layer, d),
      }));
      for (const direction of directions) {
        for (const part of [direction.weightIh, direction.h0, direction.c0]) {
          if (part !== undefined && part.dtype !== dtype)
            throw new DTypeError(
              name,
              "x, parameters and states must have one dtype",
              { x: dtype, other: part.dtype },
              "Convert one: cast(x, dtype).",
            );
        }
      }
      const result = recurrentSequence(this.#rule, y, directions, ends);
      finals.push(result);
      y = result.output;
      if (layer < this.numLayers - 1 && this.dropoutP > 0) {
        const key = dropoutKey(this.path);
        if (key !== undefined) y = dropout(y, { p: this.dropoutP, key });
      }
    }
    const stacked = (parts: readonly Tensor[]) => back(parts.length === 1 ? parts[0] : concat([...parts], 0), 1);
    const h = stacked(finals.map((final) => final.h));
    return { output: back(y, 0), h, ...(this.#rule.shape.hasCell && { c: stacked(finals.map((final) => final.c!)) }) };
  }

  /** Ends of the parameter names of a layer, one per direction. */
  #suffixes(layer: number): string[] {
    return this.bidirectional ? [`l${layer}`, `l${layer}_reverse`] : [`l${layer}`];
  }

  #weight(name: string): Tensor {
    return widened((this as unknown as Record<string, Tensor>)[name]);
  }
}

function lengthsOf(where: string, given: Tensor | readonly number[], B: number, L: number): number[] {
  if (given instanceof Tensor && given.dtype !== "int32") throw new DTypeError(where, "lengths must be int32", { lengths: given.dtype });
  const lengths = given instanceof Tensor ? [...given.toTypedArray()] : [...given];
  if (lengths.length !== B || !lengths.every((length) => Number.isInteger(length) && length >= 0 && length <= L)) {
    throw new HeedError(where, "lengths must be one whole number per sequence, from 0 to L", { lengths, B, L });
  }
  return lengths;
}

function indices(order: readonly number[]): Tensor {
  return tensor(Int32Array.from(order));
}

function inverse(order: readonly number[]): number[] {
  const result = [...order];
  order.forEach((from, to) => (result[from] = to));
  return result;
}
