import type { EdgesTiming } from "@heed/graph-attention/benchmarks";
import type { Quietness } from "../../machine/quiet-machine.ts";

/** What the measuring run hands to the report: one figure per step. */
export interface KernelSamples {
  readonly quietness?: Quietness;
  /** GFLOP/s of the probe that judges: fused multiply-add where the engine has it. */
  readonly peak: readonly number[];
  readonly fused: boolean;
  readonly multiplyAdd: readonly number[];
  readonly kernels: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly build: string;
    readonly gflops: readonly number[];
  }[];
}

/** Attention along the edges of random graphs: the timings of each step. */
export interface EdgeSamples {
  readonly steps: readonly (readonly EdgesTiming[])[];
}

/** The same of whole operations. */
export interface OperationSamples {
  readonly quietness?: Quietness;
  readonly peak: readonly number[];
  readonly operations: readonly OperationTimes[];
}

export interface OperationTimes {
  readonly name: string;
  readonly build: string;
  readonly threads: number;
  /** One per step; null where a step had no second thread. */
  readonly milliseconds: readonly (number | null)[];
  readonly flops?: number;
  readonly bytes?: number;
}
