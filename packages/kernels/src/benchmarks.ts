export { benchmarkConvolution } from "./convolution/benchmark.ts";
export type { ConvolutionBenchmark, ConvolutionBenchmarkOptions, ConvolutionTiming } from "./convolution/benchmark.ts";
export { benchmarkMatmul } from "./matmul/benchmark.ts";
export type { KernelBenchmark, KernelTiming, MatmulBenchmarkOptions } from "./matmul/benchmark.ts";
export { measurePace } from "./matmul/pace.ts";
export { measurePeak } from "./probe/peak.ts";
export type { Peak } from "./probe/peak.ts";
