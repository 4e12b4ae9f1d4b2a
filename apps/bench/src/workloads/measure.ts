import { backend, configure, profileKernels } from "@heed/kernels";
import { measurePeak } from "@heed/kernels/benchmarks";
import type { Workload } from "./vit.ts";

export interface Measured {
  /** The fastest run. */
  readonly milliseconds: number;
  readonly median: number;
  readonly gflops: number;
  /** Share of the peak of multiply-adds on vectors of 128 bits, probed between the runs. */
  readonly ofPeak: number;
}

/** Times runs of a workload, each followed by the peak probe: the best of both count, so that others on the machine disturb little. */
export function measureWorkload({ run, flops }: Workload, { runs = 40, warmUp = 5 } = {}): Measured {
  for (let i = 0; i < warmUp; i++) run();
  let peak = 0;
  const times = Array.from({ length: runs }, () => {
    const start = performance.now();
    run();
    const milliseconds = performance.now() - start;
    const { fma, mulAdd } = measurePeak(4);
    peak = Math.max(peak, fma ?? mulAdd);
    return milliseconds;
  }).sort((a, b) => a - b);
  const gflops = flops / times[0]! / 1e6;
  return { milliseconds: times[0]!, median: times[times.length >> 1]!, gflops, ofPeak: gflops / peak };
}

/** Measures a workload on one thread and prints the result, then what each kernel took of the fastest of some more runs. */
export function printWorkload(workload: Workload): void {
  configure({ threads: 1 });
  const { milliseconds, median, gflops, ofPeak } = measureWorkload(workload);
  console.log(
    `${workload.name} (${backend().build}): ${milliseconds.toFixed(1)} ms best, ${median.toFixed(1)} median, ` +
      `${gflops.toFixed(1)} GFLOP/s, ${(100 * ofPeak).toFixed(0)} % of peak`,
  );
  const fastest = Array.from({ length: 20 }, () => profileKernels(workload.run)).reduce((a, b) =>
    b.milliseconds < a.milliseconds ? b : a,
  );
  const line = (what: string, ms: number, calls: number) =>
    console.log(
      `  ${what.padEnd(28)} ${ms.toFixed(2).padStart(8)} ms ${((100 * ms) / fastest.milliseconds).toFixed(1).padStart(6)} % ${calls}`,
    );
  line("all, with clocks", fastest.milliseconds, 1);
  for (const { family, kernel, milliseconds: ms, calls } of fastest.kernels) line(`${family}.${kernel}`, ms, calls);
  line("around the kernels", fastest.milliseconds - fastest.kernels.reduce((sum, { milliseconds: ms }) => sum + ms, 0), 0);
}
