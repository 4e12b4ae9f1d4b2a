export { eachBackend, type Backend } from "./testing/each-backend.ts";
export { expectClose, type Tolerance } from "./testing/expect-close.ts";
export { expectGradient, type GradientOptions } from "./testing/expect-gradient.ts";
export { expectGolden, type GoldenInputs } from "./testing/expect-golden.ts";
export { goldenDirectory, loadGolden, type GoldenCase, type GoldenFilter, type GoldenTolerance } from "./testing/load-golden.ts";
export { randomNumbers, randomTensor, type RandomTensorOptions } from "./testing/random-tensor.ts";
