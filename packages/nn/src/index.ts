export { clipGradNorm, type ClipOptions } from "./clip-grad-norm.ts";
export { Dropout } from "./dropout.ts";
export { Embedding, type EmbeddingOptions } from "./embedding.ts";
export { FeedForward, type FeedForwardOptions } from "./feed-forward.ts";
export { fit, trainStep, type FitOptions, type StepOptions } from "./fit.ts";
export { functionalCall } from "./functional-call.ts";
export { initialScales, kaimingNormalFanOut, kaimingUniform, torchUniform, xavierUniform } from "./initialise.ts";
export { Linear, type LinearOptions } from "./linear.ts";
export {
  binaryCrossEntropyWithLogits,
  crossEntropy,
  l1Loss,
  meanSquaredError,
  smoothL1Loss,
  type LossOptions,
  type Reduction,
} from "./losses.ts";
export { Module } from "./module.ts";
export { BatchNorm2d, LayerNorm, RMSNorm } from "./norms.ts";
export { Adam, AdamW, type AdamOptions } from "./optimisers/adam.ts";
export { Optimiser } from "./optimisers/optimiser.ts";
export { SGD, type SGDOptions } from "./optimisers/sgd.ts";
export { Buffer, Parameter } from "./parameter.ts";
export { constant, cosine, linearDecay, noam, type Schedule, type WarmupOptions } from "./schedules.ts";
export { dropoutKey, evaluating, isTraining, predict, training } from "./training.ts";
