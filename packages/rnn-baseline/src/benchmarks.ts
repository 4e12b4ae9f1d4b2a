export { benchmarkSequence, type SequenceBenchmark, type SequenceBenchmarkOptions, type SequenceTiming } from "./sequence/benchmark.ts";
