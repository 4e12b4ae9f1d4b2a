export { TransformerEncoder, type EncoderOptions } from "./encoder.ts";
export { TransformerEncoderLayer, type EncoderCallOptions, type EncoderLayerOptions } from "./encoder-layer.ts";
