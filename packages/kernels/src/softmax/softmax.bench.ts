// Node 24: node --conditions=@heed/source packages/kernels/src/softmax/softmax.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { float32View, int32View } from "../memory/views.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { noise } from "../testing/workspace.ts";
import { softmax } from "./softmax.ts";

// GB/s count one read and one write of the rows.
for (const [rows, n] of [
  [197, 768],
  [1576, 197],
  [1024, 1024],
  [4096, 10],
  [8, 50257],
] as const) {
  const count = rows * n;
  const [x, y, g, out] = [allocateBlock(count * 4), allocateBlock(count * 4), allocateBlock(count * 4), allocateBlock(count * 4)];
  const [target, loss] = [allocateBlock(rows * 4), allocateBlock(rows * 4)];
  float32View().set(
    noise(count, 1).map((value) => 4 * value),
    x / 4,
  );
  float32View().set(noise(count, 2), g / 4);
  int32View().fill(3, target / 4, target / 4 + rows);
  for (const build of ["simd", "relaxed"] as const) {
    const kernels = softmax.implementation(build);
    const shape = `${build} [${rows}, ${n}]`;
    report(
      `softmax ${shape}`,
      secondsOf(() => kernels.softmax(x, y, rows, n)),
      count * 8,
      "GB/s",
    );
    report(
      `softmaxGrad ${shape}`,
      secondsOf(() => kernels.softmaxGrad(y, g, out, rows, n)),
      count * 8,
      "GB/s",
    );
    report(
      `logSoftmax ${shape}`,
      secondsOf(() => kernels.logSoftmax(x, out, rows, n)),
      count * 8,
      "GB/s",
    );
    report(
      `logSoftmaxGrad ${shape}`,
      secondsOf(() => kernels.logSoftmaxGrad(out, g, y, rows, n)),
      count * 8,
      "GB/s",
    );
    report(
      `crossEntropy ${shape}`,
      secondsOf(() => kernels.crossEntropy(x, target, loss, rows, n, 0.1, -1)),
      count * 8,
      "GB/s",
    );
    report(
      `crossEntropyGrad ${shape}`,
      secondsOf(() => kernels.crossEntropyGrad(x, target, loss, out, rows, n, 0.1, -1)),
      count * 8,
      "GB/s",
    );
  }
}
