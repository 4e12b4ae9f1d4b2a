// node --conditions=@heed/source src/pooling/pooling.bench.ts
import { allocateBlock } from "../memory/allocator.ts";
import { float32View } from "../memory/views.ts";
import { report, secondsOf } from "../testing/measure.ts";
import { noise } from "../testing/workspace.ts";
import { pooling } from "./pooling.ts";

const [planes, H, W] = [64, 64, 64];
const size = planes * H * W;
const [x, out, argmax] = Array.from({ length: 3 }, () => allocateBlock(4 * size));
float32View().set(noise(size, 1), x >>> 2);
for (const which of ["simd", "reference"] as const) {
  const k = pooling.implementation(which);
  // Bytes of the large plane alone.
  const time = (what: string, work: () => void) => report(`${which}: ${what}, ${planes} × ${H} × ${W}`, secondsOf(work), 4 * size, "GB/s");
  time("maxPool 3 × 3, stride 2", () => k.maxPool(x, out, argmax, planes, H, W, 3, 3, 2, 2, 1, 1, 32, 32));
  time("maxPoolGrad 3 × 3, stride 2", () => k.maxPoolGrad(out, argmax, x, planes, H * W, 32 * 32));
  time("maxPool 2 × 2, stride 2", () => k.maxPool(x, out, argmax, planes, H, W, 2, 2, 2, 2, 0, 0, 32, 32));
  time("avgPool 2 × 2, stride 2", () => k.avgPool(x, out, planes, H, W, 2, 2, 2, 2, 0, 0, 32, 32, 1));
  time("avgPoolGrad 2 × 2, stride 2", () => k.avgPoolGrad(out, x, planes, H, W, 2, 2, 2, 2, 0, 0, 32, 32, 1));
  time("adaptiveAvgPool to 1 × 1", () => k.adaptiveAvgPool(x, out, planes, H, W, 1, 1));
  time("adaptiveAvgPoolGrad to 1 × 1", () => k.adaptiveAvgPoolGrad(out, x, planes, H, W, 1, 1));
}
