export { Constants } from "./constants.ts";
export { elementLoop, sumOfLanes, tails, type Tails } from "./element-loop.ts";
export { decayBlock, expBlock, expm1Block, fastDecayBlock, powerOfTwoBlock, signBits, withSignOf } from "./exp.ts";
export {
  fastSigmoidBlock,
  fastTanhBlock,
  GELU_CUBIC,
  GELU_LINEAR,
  geluInnerBlock,
  geluTanhBlock,
  sigmoidBlock,
  tanhBlock,
  type Sigmoid,
} from "./hyperbolic.ts";
export { log1pBlock, log1pUnitBlock, logBlock } from "./log.ts";
export { erfBlock, gaussianBlock, geluErfBlock, geluErfSlopeBlock } from "./normal.ts";
export { horner, hornerF64, hornerInPairs } from "./polynomial.ts";
export { powBlock } from "./pow.ts";
export { trigonometricBlock } from "./trigonometric.ts";
