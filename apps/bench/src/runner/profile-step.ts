import { profileKernels, type KernelTime } from "@heed/kernels";
import type { StepProfile } from "../experiment.ts";

const warmUpSteps = 10;
/** Steps that are timed together, so that what comes every few steps (a collection of garbage) is in each group. */
const groupSteps = 4;
const groups = 12;

interface Group {
  readonly milliseconds: number;
  readonly kernels: readonly KernelTime[];
  /** Of the matrix products. */
  readonly flops: number;
}

/**
 * Where a training step spends its time, by kernel. Of several groups of steps the fastest counts: others shared the machine
 * with somebody.
 */
export function profileStep(model: string, run: { step(): unknown }): StepProfile {
  const steps = (count: number) => {
    for (let i = 0; i < count; i++) run.step();
  };
  steps(warmUpSteps);
  const fastest = Array.from({ length: groups }, () => timeGroup(() => steps(groupSteps))).reduce((a, b) =>
    b.milliseconds < a.milliseconds ? b : a,
  );
  const perStep = (rows: readonly KernelTime[], key: "calls" | "milliseconds") => rows.reduce((sum, row) => sum + row[key], 0) / groupSteps;
  const milliseconds = fastest.milliseconds / groupSteps;
  const products = fastest.kernels.filter(isProduct);
  const productTime = perStep(products, "milliseconds");
  return {
    title: `a training step of ${model}`,
    milliseconds,
    conclusion: `Matrix products take ${Math.round((productTime / milliseconds) * 100)} % of a training step of ${model}.`,
    rows: [
      { work: "matrix products", milliseconds: productTime, calls: perStep(products, "calls"), flops: fastest.flops / groupSteps },
      ...fastest.kernels
        .filter((kernel) => !isProduct(kernel))
        .map((row) => ({
          work: `${row.family}.${row.kernel}`,
          milliseconds: perStep([row], "milliseconds"),
          calls: perStep([row], "calls"),
        })),
      { work: "around the kernels", milliseconds: milliseconds - perStep(fastest.kernels, "milliseconds"), calls: 0 },
    ],
  };
}

const isProduct = ({ family }: { readonly family: string }): boolean => family === "matmul";

function timeGroup(run: () => void): Group {
  let flops = 0;
  const { milliseconds, kernels } = profileKernels(run, (family, kernel, args) => {
    flops += productFlops(family, kernel, args);
  });
  return { milliseconds, kernels, flops };
}

/**
 * Floating-point operations of a matrix product, read off the arguments of its kernel; 0 for other kernels, also for those that hold products inside
 * (attention, recurrences, convolution).
 */
export function productFlops(family: string, kernel: string, args: readonly number[]): number {
  if (!isProduct({ family })) return 0;
  if (kernel === "gemmBatched") return 2 * args[0]! * args[4]! * args[5]! * args[6]!;
  if (kernel === "gemm" || kernel === "linear") return 2 * args[0]! * args[1]! * args[2]!;
  if (kernel === "packColumns") return 0;
  throw new Error(`internal: a matrix product by an unknown kernel, ${kernel}`);
}
