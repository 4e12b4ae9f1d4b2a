import { expect, it } from "vitest";
import { cast, matmul, noGrad, randomKey, relu as reluOf, tensor, transpose, zeros, type Tensor } from "@heed/tensor";
import { causal, padding } from "@heed/masks";
import { dot } from "@heed/scoring";
import {
  attention,
  AttentionPooling,
  attentionRollout,
  KeyValueCache,
  maxPooling,
  mergeByLse,
  MultiHeadAttention,
  type AttentionOptions,
} from "./index.ts";
import { identity, relu, sigmoid, sparsemax } from "./normalisers.ts";

const [B, H, L, S, D] = [2, 4, 3, 5, 8];
const query = zeros([B, H, L, D]);
const key = zeros([B, H, S, D]);
const of =
  (options: object, q = query, k = key, v = key) =>
  () =>
    attention(q, k, v, options as AttentionOptions);

/** Common mistakes: each message says where, which rule, what came, and what to do. */
function messageOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return `${(error as Error).name} ${(error as Error).message}`;
  }
  throw new Error("nothing was thrown");
}

it("key and value of different lengths", () => {
  expect(messageOf(of({}, query, key, zeros([B, H, 4, D])))).toMatchInlineSnapshot(
    `"ShapeError attention: key and value must share length S (axis -2); got key [2, 4, 5, 8], value [2, 4, 4, 8]. Slice or pad both alike before the call."`,
  );
});

it("query and key of different widths", () => {
  expect(messageOf(of({}, zeros([B, H, L, 6])))).toMatchInlineSnapshot(
    `"ShapeError scaledDot: query and key must share width D (axis -1); got query [2, 4, 3, 6], key [2, 4, 5, 8]. Project one of them, or use bilinear or additive scores."`,
  );
});

it("heads that do not divide", () => {
  expect(messageOf(of({}, query, zeros([B, 3, S, D]), zeros([B, 3, S, D])))).toMatchInlineSnapshot(
    `"ShapeError attention: the number of query heads must be a multiple of the key/value heads, which key and value share; got query [2, 4, 3, 8], key [2, 3, 5, 8], value [2, 3, 5, 8]. Axis -3 is heads: for [B, L, D] without heads, unsqueeze(x, 1)."`,
  );
});

it("samples that do not agree", () => {
  expect(messageOf(of({}, query, zeros([3, H, S, D]), zeros([3, H, S, D])))).toMatchInlineSnapshot(
    `"ShapeError attention: query, key and value must share B (or have 1); got query [2, 4, 3, 8], key [3, 4, 5, 8], value [3, 4, 5, 8]. Repeat or slice samples before the call."`,
  );
});

it("a float as a mask", () => {
  expect(messageOf(of({ mask: zeros([L, S]) }))).toMatchInlineSnapshot(
    `"DTypeError attention: a mask is boolean, true = may attend; got mask "float32". A float is a bias: pass it as bias. Zeros and ones: cast(mask, "bool")."`,
  );
});

it("a mask that does not fit, such as key padding [B, S]", () => {
  expect(messageOf(of({ mask: cast(zeros([B, S]), "bool") }))).toMatchInlineSnapshot(
    `"ShapeError attention: mask must broadcast to [B, H, L, S]; got mask [2, 5], [B, H, L, S] [2, 4, 3, 5]. Keys that may be seen, [B, S], are reshape(mask, [B, 1, 1, S]); lengths are padding(lengths)."`,
  );
});

it("a mask for another batch", () => {
  expect(messageOf(of({ mask: padding([1, 2, 3]) }))).toMatchInlineSnapshot(
    `"ShapeError padding: there must be one length per sample; got samples B 2, lengths 3. Build the mask from this batch's lengths."`,
  );
});

it("a mask that was not called", () => {
  expect(messageOf(of({ mask: causal }))).toMatchInlineSnapshot(
    `"HeedError attention: mask must be a mask or a boolean tensor; got mask "function". Masks are values: causal(), not causal."`,
  );
});

it("a boolean as a bias", () => {
  expect(messageOf(of({ bias: cast(zeros([L, S]), "bool") }))).toMatchInlineSnapshot(
    `"DTypeError attention: a boolean is a mask, not a bias; got bias "bool". Pass it as mask."`,
  );
});

it("causal: true, as elsewhere", () => {
  expect(messageOf(of({ causal: true }))).toMatchInlineSnapshot(
    `"HeedError attention: there is no option "causal". Pass mask: causal(), of @heed/masks."`,
  );
});

it("a scale beside the score", () => {
  expect(messageOf(of({ scale: 0.5 }))).toMatchInlineSnapshot(
    `"HeedError attention: there is no option "scale". Pass score: scaledDot({ scale }), of @heed/scoring."`,
  );
});

it("dropout without a key", () => {
  expect(messageOf(of({ dropoutP: 0.1 }))).toMatchInlineSnapshot(
    `"HeedError attention: dropout needs a key; got dropoutP 0.1. Pass dropoutKey: randomKey(seed)."`,
  );
});

it("lse of another normaliser than softmax", () => {
  expect(messageOf(of({ normaliser: sigmoid(), returns: ["lse"] }))).toMatchInlineSnapshot(
    `"UnsupportedError attention: lse belongs to softmax; got normaliser "sigmoid". Leave it out."`,
  );
});

it("a function of tensor as normaliser", () => {
  expect(messageOf(of({ normaliser: reluOf }))).toMatchInlineSnapshot(
    `"HeedError attention: normaliser must be a value such as softmax(). Import it from @heed/attention/normalisers, and call it."`,
  );
});

it("mixed dtypes", () => {
  expect(messageOf(of({}, query, cast(key, "float64"), cast(key, "float64")))).toMatchInlineSnapshot(
    `"DTypeError attention: query, key and value must share a dtype; got query "float32", key "float64", value "float64". Convert: cast(x, dtype)."`,
  );
});

it("the dense definition where it was forbidden", () => {
  expect(
    messageOf(of({ strict: true, score: { name: "mine", dense: (q: Tensor, k: Tensor) => matmul(q, transpose(k)) } })),
  ).toMatchInlineSnapshot(
    `"UnsupportedError attention: the streaming kernel cannot take score: "mine" does not lower. Leave strict out to run the dense definition."`,
  );
  expect(messageOf(of({ strict: true, returns: ["weights"] }))).toMatchInlineSnapshot(
    `"UnsupportedError attention: the streaming kernel cannot take returns: "weights" is an array of L × S. Leave strict out to run the dense definition."`,
  );
  expect(of({ strict: true })().shape).toEqual([B, H, L, D]);
});

it("multi-head attention on one sequence without its batch", () => {
  const module = new MultiHeadAttention(8, 2, { key: randomKey(1) });
  expect(messageOf(() => module.forward(zeros([L, 8])))).toMatchInlineSnapshot(
    `"ShapeError MultiHeadAttention: query must be [B, length, 8]; got query [3, 8]. Add the batch: unsqueeze(x, 0)."`,
  );
});

it("widths that heads do not divide", () => {
  expect(messageOf(() => new MultiHeadAttention(8, 3, { key: randomKey(1) }))).toMatchInlineSnapshot(
    `"ShapeError MultiHeadAttention: embedDim must be a positive multiple of numHeads; got embedDim 8, numHeads 3. Each head takes embedDim / numHeads features."`,
  );
});

it.each<[string, object, RegExp]>([
  ["softcap", { softcap: 0 }, /softcap must be above 0 and finite; got softcap 0/],
  ["dropoutP", { dropoutP: 1, dropoutKey: randomKey(1) }, /dropoutP must be in \[0, 1\)/],
  ["queryOffset", { queryOffset: Int32Array.of(1, 2, 3) }, /queryOffset must be a whole number, or one per sample; .*samples B 2/],
  ["queryOffset", { queryOffset: 0.5 }, /queryOffset must be a whole number/],
  ["layout", { layout: "bhdl" }, /layout is "bhld" or "blhd"; got layout "bhdl"/],
  ["returns", { returns: ["weight"] }, /returns takes lse, weights, /],
  ["bias", { bias: zeros([H, L, S + 1]) }, /bias must broadcast to \[B, H, L, S\]/],
  ["bias", { bias: zeros([1, 1, 1, 1, 1]) }, /bias must broadcast/],
  ["bias", { bias: cast(zeros([L, S]), "float64") }, /bias must have the dtype of query; got bias "float64", query "float32"/],
  ["a stranger's mask", { mask: { name: "mine", dense: () => zeros([L, S]) } }, /the mask "mine" must be boolean/],
  ["a stranger's mask", { mask: { name: "mine", dense: () => cast(zeros([3, 1, L, S]), "bool") } }, /the mask "mine" must broadcast to/],
  ["a stranger's bias", { bias: { name: "mine", dense: () => zeros([3, 1, L, S]) } }, /the bias "mine" must broadcast to/],
  [
    "a stranger's bias",
    { bias: { name: "mine", dense: () => cast(zeros([L, S]), "float64") } },
    /the bias "mine" must have the dtype of query/,
  ],
  [
    "a stranger's score",
    { score: { name: "mine", dense: () => zeros([B, H, S, L]) } },
    /the score "mine" must give \[B, H, L, S\]; got scores \[2, 4, 5, 3\]/,
  ],
])("%s out of range is refused", (_, options, message) => {
  expect(of(options)).toThrow(message);
});

it("operands that are no float tensors are refused, and normalisers check their options", () => {
  expect(of({}, [1] as unknown as Tensor)).toThrow(/attention: query must be a Tensor; got query "object"/);
  expect(of({}, zeros([D]))).toThrow(/query must be \[B, H, length, width\], \[H, length, width\] or \[length, width\]; got query \[8\]/);
  const ids = tensor([[1, 2]], { dtype: "int32" });
  expect(of({}, ids, ids, ids)).toThrow(/attention: works on float32 and float64; got dtype "int32"/);
  expect(() => sigmoid({ bias: NaN })).toThrow(/sigmoid: bias must be finite/);
  expect(() => relu({ divideBy: "mean" as "sum" })).toThrow(/relu: divideBy is count or sum; got divideBy "mean"/);
  expect(identity()).toEqual({ kind: "identity" });
});

it("the package's modules and tools: one message per common mistake", () => {
  const module = new MultiHeadAttention(8, 2, { key: randomKey(1) });
  const x = zeros([B, L, 8]);
  expect(messageOf(() => new MultiHeadAttention(8, 4, { key: randomKey(1), numKeyValueHeads: 3 }))).toMatchInlineSnapshot(
    `"ShapeError MultiHeadAttention: numHeads must be a multiple of numKeyValueHeads; got numHeads 4, numKeyValueHeads 3. Each key/value head serves as many query heads: 1 is multi-query."`,
  );
  expect(messageOf(() => module.forward(x, x, x, { lengths: [1, 2] } as object))).toMatchInlineSnapshot(
    `"HeedError MultiHeadAttention: lengths go with a cache. Padding is a mask: padding(lengths)."`,
  );
  expect(messageOf(() => module.forward(x, x, x, { cache: new KeyValueCache() }))).toMatchInlineSnapshot(
    `"HeedError KeyValueCache: it is written in place, so gradients cannot pass through it. Decode in noGrad(() => …) or predict(…); train on whole sequences, without a cache."`,
  );
  expect(
    messageOf(() => noGrad(() => module.forward(x, zeros([B, S, 8]), undefined, { cache: new KeyValueCache() }))),
  ).toMatchInlineSnapshot(
    `"ShapeError MultiHeadAttention: with a cache, query and key must share their length; got query [2, 3, 8], key [2, 5, 8]. To attend to what a cache holds, remember(…) and recall(…)."`,
  );
  expect(messageOf(() => module.recall(x, new KeyValueCache()))).toMatchInlineSnapshot(
    `"HeedError KeyValueCache: nothing is held yet. Append first."`,
  );
  expect(
    messageOf(() => new MultiHeadAttention(8, 2, { key: randomKey(1), temperature: true }).forward(x, x, x, { score: dot() })),
  ).toMatchInlineSnapshot(
    `"HeedError MultiHeadAttention: a learned temperature is of the module's own score; got score "dot". Leave score or temperature out."`,
  );
  expect(messageOf(() => new AttentionPooling(8, { key: randomKey(1) }).forward(zeros([S, 8])))).toMatchInlineSnapshot(
    `"ShapeError AttentionPooling: x must be [B, S, 8]; got x [5, 8]. Add the batch: unsqueeze(x, 0)."`,
  );
  expect(messageOf(() => maxPooling(zeros([B, S, 8]), { mask: cast(zeros([S, S]), "bool") }))).toMatchInlineSnapshot(
    `"ShapeError maxPooling: mask must broadcast to [B, 1, 1, S]; got mask [5, 5], B 2, S 5. Lengths are padding(lengths)."`,
  );
  expect(messageOf(() => mergeByLse([]))).toMatchInlineSnapshot(
    `"ShapeError mergeByLse: there must be a part; got parts 0. Parts are attention(…, { returns: ["lse"] })."`,
  );
  expect(messageOf(() => attentionRollout([zeros([B, H, L, S])]))).toMatchInlineSnapshot(
    `"ShapeError attentionRollout: weights must be [B, H, L, L], [H, L, L] or [L, L], alike in all layers; got layer [2, 4, 3, 5], first [2, 4, 3, 5]. Cross-attention mixes other tokens."`,
  );
  expect(messageOf(of({ sink: zeros([H]), normaliser: sparsemax() }))).toMatchInlineSnapshot(
    `"UnsupportedError attention: a sink belongs to softmax; got normaliser "sparsemax". Leave it out."`,
  );
  expect(
    messageOf(of({ cuSeqlensQuery: Int32Array.of(0, 3) }, zeros([L, H, D]), zeros([S, H, D]), zeros([S, H, D]))),
  ).toMatchInlineSnapshot(`"HeedError attention: packed sequences need cuSeqlensKey too. Give both, also where they are equal."`);
});
