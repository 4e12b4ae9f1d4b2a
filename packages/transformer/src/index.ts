export { Conformer, type ConformerOptions } from "./conformer.ts";
export { ConformerConvolution, type ConformerConvolutionOptions } from "./conformer-convolution.ts";
export { ConformerLayer, type ConformerCallOptions, type ConformerLayerOptions } from "./conformer-layer.ts";
export { DecodingCache, type StackCacheUse } from "./decoding-cache.ts";
export { TransformerDecoder, type DecoderOptions, type DecoderStackCallOptions } from "./decoder.ts";
export {
  TransformerDecoderLayer,
  type DecoderCacheUse,
  type DecoderCallOptions,
  type DecoderLayerOptions,
  type DecoderTerms,
} from "./decoder-layer.ts";
export { TransformerEncoder, type EncoderOptions, type EncoderStackCallOptions } from "./encoder.ts";
export { TransformerEncoderLayer, type EncoderCallOptions, type EncoderLayerOptions } from "./encoder-layer.ts";
export { Transformer, type TransformerCallOptions, type TransformerOptions } from "./transformer.ts";
export { beam, greedy, sample, type BeamOptions, type DecodingStrategy, type SampleOptions } from "./decoding-strategies.ts";
export {
  generate,
  type Generated,
  type GenerateOptions,
  type GenerateProgress,
  type DecodingStep,
  type LanguageModel,
} from "./generate.ts";
export { lastTokens } from "./last-tokens.ts";
