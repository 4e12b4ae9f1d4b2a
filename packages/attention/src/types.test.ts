import { expect, it } from "vitest";
import { randomKey, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import { causal, padding } from "@heed/masks";
import { rope } from "@heed/positional";
import { initAdditive, scaledDot } from "@heed/scoring";
import {
  attention,
  AttentionPooling,
  attentionRollout,
  GroupedQueryAttention,
  type KeyValueCache,
  mergeByLse,
  MultiHeadAttention,
  SaliencyPooling,
  weightsOf,
  type AttentionOptions,
  type Normaliser,
} from "./index.ts";
import { maskMod, scoreMod } from "./expressions.ts";
import { attention as forward } from "./forward.ts";
import { linearAttention, linformer, reformer } from "./linear-time.ts";
import { hard, relu, sigmoid, softmax, sparsemax, topK } from "./normalisers.ts";

/**
 * What must not compile, and what must. The compiler is the test: `pnpm typecheck` fails on an `@ts-expect-error` without an error. Nothing here is
 * run.
 */
declare const [q, k, v, sink]: Tensor[];
declare const module: MultiHeadAttention;
declare const cache: KeyValueCache;
declare const someNormaliser: Normaliser;
declare const someOptions: AttentionOptions;
declare const maybe: Tensor | undefined;
declare const maybeKey: RandomKey | undefined;
const key = randomKey(1);

export function doNotCompile(): void {
  // Names that other libraries have, and slips of the pen.
  // @ts-expect-error: masks are values, mask: causal()
  attention(q, k, v, { causal: true });
  // @ts-expect-error: score: scaledDot({ scale })
  attention(q, k, v, { scale: 0.5 });
  // @ts-expect-error: normaliser
  attention(q, k, v, { normalizer: softmax() });
  // @ts-expect-error: dropoutP and dropoutKey
  attention(q, k, v, { dropout: 0.1 });
  // @ts-expect-error: "weights"
  attention(q, k, v, { returns: ["weight"] });
  // @ts-expect-error: "blhd"
  attention(q, k, v, { layout: "bshd" });
  // @ts-expect-error: queries
  weightsOf(q, k, { rows: [0, 3] });

  // Values of another kind.
  // @ts-expect-error: causal(), not causal
  attention(q, k, v, { mask: causal });
  // @ts-expect-error: softmax(), not softmax
  attention(q, k, v, { normaliser: softmax });
  // @ts-expect-error: a mask is no bias
  attention(q, k, v, { bias: padding([1]) });
  // @ts-expect-error: a name is no score
  attention(q, k, v, { score: "dot" });
  // @ts-expect-error: divideBy is count or sum
  relu({ divideBy: "mean" });

  // What does not combine.
  // @ts-expect-error: so does lse
  attention(q, k, v, { normaliser: sparsemax(), returns: ["lse"] });
  // @ts-expect-error: also beside other returns
  attention(q, k, v, { normaliser: hard(), returns: ["weights", "lse"] });
  attention(q, k, v, { normaliser: sparsemax(), returns: ["weights"] });
  attention(q, k, v, { normaliser: softmax(), returns: ["lse"] });
  attention(q, k, v, { normaliser: softmax() as Normaliser, returns: ["lse"] });
  // @ts-expect-error: dropout needs a dropoutKey
  attention(q, k, v, { dropoutP: 0.1 });
  // @ts-expect-error: … which may not be missing
  attention(q, k, v, { dropoutP: 0.1, dropoutKey: maybeKey });
  attention(q, k, v, { dropoutP: 0.1, dropoutKey: key });
  attention(q, k, v, { dropoutP: 0, dropoutKey: maybeKey });
  attention(q, k, v, { ...someOptions, dropoutP: 0.1, dropoutKey: key });
  // @ts-expect-error: a sink belongs to softmax
  attention(q, k, v, { sink, normaliser: sparsemax() });
  // @ts-expect-error: a sink belongs to softmax
  attention(q, k, v, { sink, normaliser: hard() });
  // @ts-expect-error: … of whatever normaliser that may not be softmax
  attention(q, k, v, { sink, normaliser: someNormaliser });
  // @ts-expect-error: a sink belongs to softmax
  module.forward(q, k, v, { sink, normaliser: topK(3) });
  // @ts-expect-error: a sink belongs to softmax
  module.weightsOf(q, k, { sink, normaliser: sigmoid() });
  // @ts-expect-error: a cache says where queries stand
  module.forward(q, k, v, { cache, queryOffset: 3 });
  // @ts-expect-error: packed sequences have no cache, and modules take [B, L, E]
  module.forward(q, k, v, { cache, cuSeqlensQuery: Int32Array.of(0, 1) });
  // @ts-expect-error: a cache belongs to modules
  attention(q, k, v, { cache });
  // @ts-expect-error: lengths go with a cache; padding is a mask
  module.forward(q, k, v, { queryOffset: 0, lengths: [1] });
  // @ts-expect-error: the module's dropout is the module's
  module.forward(q, k, v, { dropoutP: 0.1 });

  // What is missing.
  // @ts-expect-error: keys and values
  attention(q);
  // @ts-expect-error: numHeads
  void new MultiHeadAttention(64, { key });
  // @ts-expect-error: the key that parameters are drawn from
  void new MultiHeadAttention(64, 8, {});
  // @ts-expect-error: numKeyValueHeads
  void new GroupedQueryAttention(64, 8, { key });
  // @ts-expect-error: embedDim
  void new AttentionPooling({ key });
  // @ts-expect-error: hiddenDim, not hidden
  void new SaliencyPooling(8, { key, hidden: 4 });
  // @ts-expect-error: the width of the hidden layer
  initAdditive(key, { queryDim: 3, keyDim: 3 });
  // @ts-expect-error: lse
  mergeByLse([{ output: q }]);
  // @ts-expect-error: weights of every layer, in a list
  attentionRollout(q);

  // @ts-expect-error: the key that hashes are drawn from
  reformer(q, k, v, { numBuckets: 8 });
  // @ts-expect-error: what makes few keys of many
  linformer(q, k, v, {});

  // Other entries.
  // @ts-expect-error: mask: causal()
  linearAttention(q, k, v, { causal: true });
  // @ts-expect-error: it is divided by sums of features
  linearAttention(q, k, v, { normaliser: softmax() });
  // @ts-expect-error: weights are of the complete entry
  forward(q, k, v, { returns: ["weights"] });
  // @ts-expect-error: a mask knows no score
  maskMod(({ score }) => score.less(0));
  // @ts-expect-error: expressions, not tensors
  scoreMod(() => q);

  // Results that were not asked for.
  // @ts-expect-error: returns: ["lse"]
  void attention(q, k, v, { returns: ["weights"] }).lse;
  // @ts-expect-error: returnWeights
  void module.forward(q).weights;
}

export function doCompile(): void {
  const { output, lse, weights } = attention(q, k, v, { sink, returns: ["lse", "weights"] });
  attention(q, k, v, { sink, normaliser: softmax() });
  attention(q, k, v, { normaliser: someNormaliser });
  attention(q, k, v, { ...someOptions, layout: "blhd" });
  attention(q, k, v, { softcap: 30, ...(maybe === undefined ? {} : { sink: maybe, mask: maybe }) });
  module.forward(q, k, v, { cache, lengths: [1], score: scaledDot() });
  module.forward(output, undefined, undefined, { mask: causal(), ...(maybe === undefined ? {} : { cache }) });
  void module.forward(q, k, v, { returnWeights: true }).weights;
  void new MultiHeadAttention(64, 8, { key, rotation: rope, numKeyValueHeads: 2, temperature: true });
  mergeByLse([{ output, lse }]);
  attentionRollout([weights]);
}

it("is what the compiler checks; what it cannot see, calls check", () => {
  const x = zeros([1, 2, 4]);
  const untyped = { sink: zeros([1]), normaliser: sparsemax() } as object as AttentionOptions;
  expect(() => attention(x, x, x, untyped)).toThrow('attention: a sink belongs to softmax; got normaliser "sparsemax". Leave it out.');
});
