/** The operands of every contestant: the same numbers everywhere, made from an index alone, in JavaScript here and in `contestants/torch.py`. */
import { type AttentionShape, type RecurrentShape, tokensOf, type VitShape } from "./work.ts";

let planted = 0;

/** Changes all numbers that are made from now on. */
export function plantSeed(seed: number): void {
  planted = seed;
}

/**
 * `size` numbers, evenly spread over [−scale, scale): 24 bits of a hash (the last steps of MurmurHash3) of `seed` and the index.
 */
export function values(seed: number, size: number, scale = 1): Float32Array {
  const out = new Float32Array(size);
  const start = Math.imul(seed + 1000 * planted, 0x9e3779b1);
  for (let i = 0; i < size; i++) {
    let h = (start + i) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
    out[i] = ((h >>> 8) / 2 ** 23 - 1) * scale;
  }
  return out;
}

/** Classes 0 … count − 1, for the training step. */
export function labels(seed: number, size: number, count: number): Int32Array {
  return Int32Array.from(values(seed, size), (x) => Math.floor(((x + 1) / 2) * count));
}

/** Standard deviation 1. */
export const unit = Math.sqrt(3);

export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Of a transformer block, with timm's names; weights `[out, in]`. */
export function blockParameters(embedDim: number, seed: number, prefix = ""): Parameter[] {
  const E = embedDim;
  return make(seed, [
    [`${prefix}norm1.weight`, [E]],
    [`${prefix}norm1.bias`, [E]],
    [`${prefix}attn.qkv.weight`, [3 * E, E]],
    [`${prefix}attn.qkv.bias`, [3 * E]],
    [`${prefix}attn.proj.weight`, [E, E]],
    [`${prefix}attn.proj.bias`, [E]],
    [`${prefix}norm2.weight`, [E]],
    [`${prefix}norm2.bias`, [E]],
    [`${prefix}mlp.fc1.weight`, [4 * E, E]],
    [`${prefix}mlp.fc1.bias`, [4 * E]],
    [`${prefix}mlp.fc2.weight`, [E, 4 * E]],
    [`${prefix}mlp.fc2.bias`, [E]],
  ]);
}

/** Of a vision transformer, with timm's names. */
export function vitParameters(shape: VitShape): Parameter[] {
  const { embedDim: E, patchSize, depth, numClasses } = shape;
  return [
    ...make(1, [
      ["cls_token", [1, 1, E]],
      ["pos_embed", [1, tokensOf(shape), E]],
      ["patch_embed.proj.weight", [E, 3, patchSize, patchSize]],
      ["patch_embed.proj.bias", [E]],
    ]),
    ...Array.from({ length: depth }, (_, i) => blockParameters(E, 100 + 20 * i, `blocks.${i}.`)).flat(),
    ...make(50, [
      ["norm.weight", [E]],
      ["norm.bias", [E]],
      ["head.weight", [numClasses, E]],
      ["head.bias", [numClasses]],
    ]),
  ];
}

/** Of an LSTM (4 gates) or a GRU (3), with PyTorch's names and order of gates. */
export function recurrentParameters({ I, H }: RecurrentShape, gates: 3 | 4): Parameter[] {
  return make(7, [
    ["weight_ih_l0", [gates * H, I]],
    ["weight_hh_l0", [gates * H, H]],
    ["bias_ih_l0", [gates * H]],
    ["bias_hh_l0", [gates * H]],
  ]);
}

/** Matrices keep the size of what passes through them; biases are small; weights of norms stand around 1. */
function make(seed: number, shapes: readonly (readonly [name: string, shape: readonly number[]])[]): Parameter[] {
  return shapes.map(([name, shape], i) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const fanIn = shape.length > 1 && !/token|pos/.test(name) ? size / shape[0]! : 2500;
    const data = values(seed + i, size, unit / Math.sqrt(fanIn));
    if (/norm\d?\.weight$/.test(name)) data.forEach((x, at) => (data[at] = 1 + x));
    return { name, shape, data };
  });
}

/** Query, key and value of an attention, `[B, H, L, D]`. */
export function attentionInputs({ B, H, L, D }: AttentionShape): readonly [query: Float32Array, key: Float32Array, value: Float32Array] {
  return [values(1, B * H * L * D, unit), values(2, B * H * L * D, unit), values(3, B * H * L * D)];
}
