import { attention, GroupedQueryAttention, KeyValueCache, MultiHeadAttention, type AttentionOptions } from "@heed/attention";
import { identity, relu, softmax, sparsemax, type Normaliser } from "@heed/attention/normalisers";
import { and, causal, fromTensor, padding, window, type DrawableMask } from "@heed/masks";
import { rope } from "@heed/positional";
import * as T from "@heed/tensor";
import type { Tensor } from "@heed/tensor";
import { Transformer, TransformerDecoderLayer, TransformerEncoder, TransformerEncoderLayer } from "@heed/transformer";
import { Pending, type Operation, type Operations } from "../operation.ts";
import { withParams } from "../with-params.ts";
import { scoreOf, type ScoreOptions } from "./scoring.ts";

const key = T.randomKey(0); // modules draw parameters that are replaced at once

function normaliserOf(kind: string): Normaliser {
  if (kind === "softmax") return softmax();
  if (kind === "relu") return relu({ divideBy: "sum" });
  if (kind === "relu_length") return relu({ divideBy: "count" });
  if (kind === "sparsemax") return sparsemax();
  throw new Pending(`${kind} is not there yet`);
}

const all = (masks: DrawableMask[]) => (masks.length === 0 ? {} : { mask: masks.length === 1 ? masks[0]! : and(...masks) });

/** A `[B, S]` tensor of keys that may be seen, as a mask. */
const keysOf = (keep: Tensor) => fromTensor(T.reshape(keep, [keep.shape[0]!, 1, 1, keep.shape[1]!]));

interface SdpaOptions {
  scale: number | null;
  causal: boolean;
  align: "top_left" | "bottom_right";
  window: [number, number] | null;
  softcap: number | null;
  normalizer: string;
}
const sdpa: Operation<SdpaOptions> = ({ inputs: { q, k, v, mask, bias, lengths }, expected }, options) => {
  const masks = [
    ...(options.causal ? [causal()] : []),
    ...(options.window === null ? [] : [window(...options.window)]),
    ...(mask === undefined ? [] : [fromTensor(mask)]),
    ...(lengths === undefined ? [] : [padding(lengths.toTypedArray())]),
  ];
  const call: AttentionOptions = {
    normaliser: normaliserOf(options.normalizer),
    queryOffset: options.align === "bottom_right" ? k!.shape.at(-2)! - q!.shape.at(-2)! : 0,
    ...all(masks),
    ...(options.scale === null ? {} : { score: scoreOf({}, 0, { kind: "scaled_dot", scale: options.scale }) }),
    ...(bias === undefined ? {} : { bias }),
    ...(options.softcap === null ? {} : { softcap: options.softcap }),
  };
  const wanted = (["weights", "lse"] as const).filter((name) => name in expected);
  const { output, ...rest } = attention(q!, k!, v!, { ...call, returns: wanted });
  return { y: output, ...rest };
};

// The weights themselves: attention whose scores are x, over values that are the identity.
const maskedSoftmax: Operation<{ kind: string }> = ({ inputs: { x, mask } }, { kind }) => {
  const [L, S] = x!.shape.slice(-2);
  const dtype = x!.dtype as "float32";
  const [query, keys] = [T.zeros([...x!.shape.slice(0, -2), L!, 1], { dtype }), T.zeros([...x!.shape.slice(0, -2), S!, 1], { dtype })];
  const full = x!.rank === 3 ? T.unsqueeze(mask!, 1) : mask!;
  const bias = x!.rank === 3 ? T.unsqueeze(x!, 1) : x!;
  const [q, k] = x!.rank === 3 ? [T.unsqueeze(query, 1), T.unsqueeze(keys, 1)] : [query, keys];
  const value = T.expand(T.eye(S!, S!, { dtype }), [...k.shape.slice(0, -2), S!, S!]);
  const y = attention(q, k, value, { normaliser: normaliserOf(kind), bias, mask: full });
  return { y: T.reshape(y, x!.shape) };
};

const softAttention: Operation<ScoreOptions> = ({ inputs: { q, k, v, lengths }, params }, options) => {
  const heads = (x: Tensor) => T.unsqueeze(x, 1);
  const score = scoreOf(params, q!.shape.at(-1)!, options);
  const mask = lengths === undefined ? {} : { mask: padding(lengths.toTypedArray()) };
  const { output, weights } = attention(heads(q!), heads(k!), heads(v!), { score, ...mask, returns: ["weights"] });
  return { y: T.squeeze(output, 1), weights: T.squeeze(weights, 1) };
};

const workedExample: Operation<{ decimals: number }> = ({ inputs: { h, s0 } }, { decimals }) => {
  const query = T.unsqueeze(s0!, 0);
  const score = scoreOf({}, 2, { kind: "dot" });
  const { output, weights, ...rest } = attention(query, h!, h!, { score, returns: ["weights", "scores:raw"] });
  const unit = 10 ** decimals;
  const rounded = T.tensor(
    Array.from(weights.toTypedArray(), (weight) => Math.round(weight * unit) / unit),
    { dtype: h!.dtype },
  );
  const context = attention(query, h!, h!, {
    // The rounded weights as scores, whatever the keys say.
    score: scoreOf({}, 2, { kind: "scaled_dot", scale: 0 }),
    bias: rounded,
    normaliser: identity(),
  });
  return {
    scores: T.squeeze(rest["scores:raw"], 0),
    weights: T.squeeze(weights, 0),
    context: T.squeeze(output, 0),
    weights_rounded: rounded,
    context_rounded: T.squeeze(context, 0),
  };
};

interface MultiHeadOptions {
  embed_dim: number;
  num_heads: number;
  kdim: number;
  vdim: number;
  bias: boolean;
  add_bias_kv: boolean;
  add_zero_attn: boolean;
  average_attn_weights: boolean;
  causal: boolean;
}
const multiHeadAttention: Operation<MultiHeadOptions> = ({ inputs, params }, options) => {
  const { embed_dim: embedDim, num_heads: numHeads, kdim, vdim, bias, add_bias_kv: addBiasKv, add_zero_attn: addZeroAttn } = options;
  const module = withParams(new MultiHeadAttention(embedDim, numHeads, { key, bias, kdim, vdim, addBiasKv, addZeroAttn }), params);
  const { x, q = x, k = x, v = x, attn_mask: attnMask, attn_bias: attnBias, key_mask: keyMask } = inputs;
  const masks = [
    ...(options.causal ? [causal()] : []),
    ...(attnMask === undefined ? [] : [fromTensor(attnMask)]),
    ...(keyMask === undefined ? [] : [keysOf(keyMask)]),
  ];
  const call = { ...all(masks), ...(attnBias === undefined ? {} : { bias: attnBias }), queryOffset: 0, returnWeights: true as const };
  const { output, weights } = module.forward(q!, k!, v!, call);
  return { y: output, weights: options.average_attn_weights ? T.mean(weights, 1) : weights };
};

interface GroupedOptions {
  num_heads: number;
  num_kv_heads: number;
  head_dim: number;
  bias?: boolean;
  causal?: boolean;
  rope: { style: "half_split" | "interleaved"; base: number } | null;
  chunks?: number[];
}
function groupedOf(embedDim: number, options: GroupedOptions): GroupedQueryAttention {
  const { num_heads: numHeads, num_kv_heads: numKeyValueHeads, head_dim: headDim, bias = false, rope: turns } = options;
  const style = turns?.style === "half_split" ? "halfSplit" : "interleaved";
  return new GroupedQueryAttention(embedDim, numHeads, {
    key,
    numKeyValueHeads,
    headDim,
    bias,
    ...(turns === null ? {} : { rotation: (x: Tensor, at: object) => rope(x, { ...at, style, base: turns.base }) }),
  });
}

const groupedQueryAttention: Operation<GroupedOptions> = ({ inputs: { x, lengths }, params }, options) => {
  const module = withParams(groupedOf(x!.shape[2]!, options), params);
  const masks = [...(options.causal ? [causal()] : []), ...(lengths === undefined ? [] : [padding(lengths.toTypedArray())])];
  return { y: module.forward(x!, x!, x!, all(masks)) };
};

// Its values are those of the pieces, its gradients those of the whole: what a cache holds is written in place, and has none.
const kvCache: Operation<GroupedOptions> = ({ inputs: { x }, params }, options) => {
  const module = withParams(groupedOf(x!.shape[2]!, options), params);
  const whole = module.forward(x!, x!, x!, { mask: causal() });
  const cache = new KeyValueCache({ capacity: 3 });
  const { pieces, held } = T.noGrad(() => {
    let at = 0;
    const rows = options.chunks!.map((n) => {
      const piece = T.slice(x!, 1, at, (at += n));
      return module.forward(piece, piece, piece, { mask: causal(), cache });
    });
    return { pieces: T.concat(rows, 1), held: cache.held() };
  });
  const off = T.noGrad(() => T.sub(pieces, whole));
  const result = { y: T.add(whole, off), k_cache: T.mul(held.key, 1), v_cache: T.mul(held.value, 1) };
  cache.release();
  return result;
};

interface LayerOptions {
  d_model: number;
  nhead: number;
  dim_feedforward: number;
  activation: "relu" | "gelu";
  norm_first: boolean;
  layer_norm_eps?: number;
}
const layerOptions = (options: LayerOptions) => ({
  key,
  feedForwardDim: options.dim_feedforward,
  activation: options.activation,
  normFirst: options.norm_first,
  layerNormEps: options.layer_norm_eps ?? 1e-5,
});
const masksOf = ({ attn_mask: attnMask, key_mask: keyMask }: Readonly<Record<string, Tensor>>) =>
  all([...(attnMask === undefined ? [] : [fromTensor(attnMask)]), ...(keyMask === undefined ? [] : [keysOf(keyMask)])]);

const encoderLayer: Operation<LayerOptions> = ({ inputs, params }, options) => {
  const layer = withParams(new TransformerEncoderLayer(options.d_model, options.nhead, layerOptions(options)), params);
  return { y: layer.forward(inputs.x!, masksOf(inputs)) };
};

const encoder: Operation<LayerOptions & { num_layers: number; final_norm: boolean }> = ({ inputs, params }, options) => {
  const { num_layers: numLayers, final_norm: finalNorm } = options;
  const stack = withParams(
    new TransformerEncoder(options.d_model, options.nhead, { ...layerOptions(options), numLayers, finalNorm }),
    params,
  );
  return { y: stack.forward(inputs.x!, masksOf(inputs)) };
};

const decoderLayer: Operation<LayerOptions> = ({ inputs, params }, options) => {
  const layer = withParams(new TransformerDecoderLayer(options.d_model, options.nhead, layerOptions(options)), params);
  const { x, memory, memory_key_mask: memoryKeys } = inputs;
  return { y: layer.forward(x!, memory!, { ...masksOf(inputs), ...(memoryKeys === undefined ? {} : { memoryMask: keysOf(memoryKeys) }) }) };
};

const transformer: Operation<LayerOptions & { num_encoder_layers: number; num_decoder_layers: number }> = ({ inputs, params }, options) => {
  const { num_encoder_layers: numEncoderLayers, num_decoder_layers: numDecoderLayers } = options;
  const model = withParams(
    new Transformer(options.d_model, options.nhead, { ...layerOptions(options), numEncoderLayers, numDecoderLayers }),
    params,
  );
  const { src, tgt, src_key_mask: sourceKeys, tgt_key_mask: targetKeys } = inputs;
  const ofSource = sourceKeys === undefined ? undefined : keysOf(sourceKeys);
  const mask = targetKeys === undefined ? causal() : and(causal(), keysOf(targetKeys));
  const memory = T.noGrad(() => model.encoder.forward(src!, ofSource === undefined ? {} : { mask: ofSource }));
  const hidden = ofSource === undefined ? {} : { sourceMask: ofSource, memoryMask: ofSource };
  return { memory, y: model.forward(src!, tgt!, { mask, ...hidden }) };
};

/** Every `op` of the folder `attention` that is there. */
export const attentionOperations = {
  sdpa,
  masked_softmax: maskedSoftmax,
  soft_attention: softAttention,
  worked_example: workedExample,
  multi_head_attention: multiHeadAttention,
  grouped_query_attention: groupedQueryAttention,
  kv_cache: kvCache,
  encoder_layer: encoderLayer,
  encoder,
  decoder_layer: decoderLayer,
  transformer,
} as unknown as Operations;
