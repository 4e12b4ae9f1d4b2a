import { expect, it } from "vitest";
import { randomKey, zeros, type Tensor } from "@heed/tensor";
import { causal } from "@heed/masks";
import { rope } from "@heed/positional";
import { beam, DecodingCache, generate, sample, Transformer, TransformerDecoder, TransformerEncoder, type LanguageModel } from "./index.ts";

/** What must not compile, and what must: `pnpm typecheck` fails on an `@ts-expect-error` without an error. Nothing here is run. */
declare const [x, memory]: Tensor[];
declare const model: LanguageModel;
declare const encoder: TransformerEncoder;
declare const decoder: TransformerDecoder;
const key = randomKey(1);

export function doNotCompile(): void {
  // @ts-expect-error: numHeads
  void new TransformerEncoder(64, { key, numLayers: 2 });
  // @ts-expect-error: numLayers
  void new TransformerDecoder(64, 4, { key });
  // @ts-expect-error: feedForwardDim, as the paper's feed-forward
  void new TransformerEncoder(64, 4, { key, numLayers: 2, dimFeedforward: 128 });
  // @ts-expect-error: numEncoderLayers and numDecoderLayers
  void new Transformer(64, 4, { key, numLayers: 2 });
  // @ts-expect-error: relu or gelu
  void new TransformerEncoder(64, 4, { key, numLayers: 2, activation: "swish" });
  // @ts-expect-error: memory, or undefined where a cache holds it
  decoder.forward(x);
  // @ts-expect-error: mask: causal()
  encoder.forward(x, { causal: true });
  // @ts-expect-error: memoryMask
  decoder.forward(x, memory, { memoryKeyPaddingMask: causal() });
  // @ts-expect-error: maxNewTokens
  generate(model, [[1]], {});
  // @ts-expect-error: lists of tokens per sample
  generate(model, [1, 2], { maxNewTokens: 3 });
  // @ts-expect-error: strategy: beam({ numBeams })
  generate(model, [[1]], { maxNewTokens: 3, numBeams: 4 });
  // @ts-expect-error: the key that it draws from
  sample({ temperature: 0.7 });
  // @ts-expect-error: numBeams
  beam({ lengthPenalty: 1 });
  // @ts-expect-error: a model has a decode
  generate(encoder, [[1]], { maxNewTokens: 3 });
}

export function doCompile(): void {
  const cache = new DecodingCache({ window: 31 });
  encoder.forward(x, { mask: causal(), cache, lengths: [1] });
  decoder.forward(x, undefined, { mask: causal(), cache });
  void new Transformer(64, 4, { key, numKeyValueHeads: 2, rotation: rope });
  generate(model, [[1]], { maxNewTokens: 3, strategy: sample({ key, topP: 0.9 }), onStep: ({ step }) => step < 2 });
}

it("is what the compiler checks; what it cannot see, calls check", () => {
  const untyped = [1, 2] as unknown as number[][];
  const silent: LanguageModel = { state: () => [], decode: () => zeros([1, 1, 3]) };
  expect(() => generate(silent, untyped, { maxNewTokens: 1 })).toThrow("generate: prompts must be lists of token numbers");
});
