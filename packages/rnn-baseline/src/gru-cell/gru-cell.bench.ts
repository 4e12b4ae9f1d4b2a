// node --conditions=@heed/source src/gru-cell/gru-cell.bench.ts
import { allocateBlock, float32View } from "@heed/kernels";
import { noise, report, secondsOf } from "@heed/kernels/testing";
import { gruCell } from "./gru-cell.ts";

const [B, H] = [64, 128];
const size = B * H;
const [gates, dgates] = [1, 2].map(() => allocateBlock(16 * size));
const [hPrev, h, dh] = [1, 2, 3].map(() => allocateBlock(4 * size));
for (const which of ["relaxed", "simd", "reference"] as const) {
  const kernels = gruCell.implementation(which);
  float32View().set(noise(4 * size, 1), gates >>> 2);
  report(
    `${which}: gruCell ${B} × ${H}`,
    secondsOf(() => kernels.gruCell(gates, 4 * H, hPrev, H, h, H, B, H)),
    36 * size,
    "GB/s",
  );
  report(
    `${which}: gruCellGrad ${B} × ${H}`,
    secondsOf(() => kernels.gruCellGrad(h, H, dh, gates, dgates, 4 * H, hPrev, H, B, H)),
    48 * size,
    "GB/s",
  );
}
