// node --conditions=@heed/source src/optimiser/optimiser.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { optimiser } from "./optimiser.ts";

const n = 2 ** 18;
const [p, g, m, v] = Array.from({ length: 4 }, () => allocateBlock(4 * n));
for (const which of ["relaxed", "simd", "reference"] as const) {
  const kernels = optimiser.implementation(which);
  report(
    `${which}: adam, ${n} parameters`,
    secondsOf(() => kernels.adam(p, g, m, v, 0, n, 1e-3, 0.9, 0.999, 1e-8, 0.01, 1, 0.1, 0.001)),
    28 * n,
    "GB/s",
  );
  report(
    `${which}: sgd with momentum, ${n} parameters`,
    secondsOf(() => kernels.sgd(p, g, m, n, 1e-3, 0.9, 0, 0, 0, 0)),
    20 * n,
    "GB/s",
  );
}
