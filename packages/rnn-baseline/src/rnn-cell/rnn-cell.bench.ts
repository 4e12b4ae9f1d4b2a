// node --conditions=@heed/source src/rnn-cell/rnn-cell.bench.ts
import { allocateBlock, float32View } from "@heed/kernels";
import { noise, report, secondsOf } from "@heed/kernels/testing";
import { rnnCell } from "./rnn-cell.ts";

const [B, H] = [64, 128];
const size = B * H;
const [gates, h, dh] = [1, 2, 3].map(() => allocateBlock(4 * size));
for (const which of ["relaxed", "simd", "reference"] as const) {
  const kernels = rnnCell.implementation(which);
  for (const kind of ["tanh", "relu"] as const) {
    float32View().set(noise(size, 1), gates >>> 2);
    report(
      `${which}: ${kind}Cell ${B} × ${H}`,
      secondsOf(() => kernels[`${kind}Cell`](gates, H, h, H, B, H)),
      12 * size,
      "GB/s",
    );
    report(
      `${which}: ${kind}CellGrad ${B} × ${H}`,
      secondsOf(() => kernels[`${kind}CellGrad`](h, H, dh, gates, gates, H, B, H)),
      16 * size,
      "GB/s",
    );
  }
}
