// node --conditions=@heed/source src/lstm-cell/lstm-cell.bench.ts
import { allocateBlock, float32View } from "@heed/kernels";
import { noise, report, secondsOf } from "@heed/kernels/testing";
import { lstmCell } from "./lstm-cell.ts";

const [B, H] = [64, 128];
const size = B * H;
const [pre, gates, dpre] = [1, 2, 3].map(() => allocateBlock(16 * size));
const [cPrev, c, h, dc] = [1, 2, 3, 4].map(() => allocateBlock(4 * size));
float32View().set(noise(4 * size, 1), pre >>> 2);
for (const which of ["relaxed", "simd", "reference"] as const) {
  const kernels = lstmCell.implementation(which);
  report(
    `${which}: lstmCell ${B} × ${H}`,
    secondsOf(() => kernels.lstmCell(pre, gates, 4 * H, cPrev, c, h, H, B, H)),
    44 * size,
    "GB/s",
  );
  report(
    `${which}: lstmCellGrad ${B} × ${H}`,
    secondsOf(() => kernels.lstmCellGrad(h, H, cPrev, dc, gates, dpre, 4 * H, cPrev, c, dc, B, H)),
    56 * size,
    "GB/s",
  );
}
