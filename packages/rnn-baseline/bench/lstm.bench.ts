// node --conditions=@heed/source packages/rnn-baseline/bench/lstm.bench.ts
import { noGrad, normal, randomKey, resident, scope, sum } from "@heed/tensor";
import { report, secondsOf } from "@heed/kernels/testing";
import { LSTM } from "@heed/rnn-baseline";

const key = randomKey(1);
for (const [B, L, I, H] of [
  [16, 196, 256, 256],
  [32, 64, 96, 150],
] as const) {
  const lstm = new LSTM(I, H, { key });
  const x = normal(key, [B, L, I]);
  const owner = resident([lstm, x]);
  const flops = 2 * B * L * 4 * H * (I + H);
  report(
    `LSTM [${B}, ${L}, ${I}] → ${H} forward`,
    secondsOf(() => noGrad(() => scope(() => void lstm.forward(x)))),
    flops,
    "GFLOP/s",
  );
  report(
    `LSTM [${B}, ${L}, ${I}] → ${H} forward and backward`,
    secondsOf(() => scope(() => sum(lstm.forward(x).output).backward())),
    3 * flops,
    "GFLOP/s",
  );
  owner.release();
}
