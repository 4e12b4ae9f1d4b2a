import { noGrad, normal, randomKey, resident, scope, sum } from "@heed/tensor";
import { measurePeak, benchmarkMatmul } from "@heed/kernels/benchmarks";
import { profileKernels, configure } from "@heed/kernels";
import { LSTM } from "@heed/rnn-baseline";
const key = randomKey(1);
console.log(measurePeak(60));
console.log(
  benchmarkMatmul({ sizes: [256], rounds: 6 })
    .kernels.map((k) => k.name + " " + k.build + " " + k.gflops.toFixed(1))
    .join("; "),
);
const [B, L, I, H] = [16, 196, 256, 256];
const lstm = new LSTM(I, H, { key });
const x = normal(key, [B, L, I]);
const owner = resident([lstm, x]);
const run = () => noGrad(() => scope(() => void lstm.forward(x)));
for (let i = 0; i < 10; i++) run();

const best = new Map<string, number>();
const go = (name: string, f: () => void, n: number) => {
  for (let i = 0; i < n; i++) {
    const t0 = performance.now();
    const prof: any = profileKernels(f);
    const t = performance.now() - t0;
    const m = (k: string, v: number) => best.set(name + " " + k, Math.min(best.get(name + " " + k) ?? 1e9, v));
    m("total", t);
    for (const e of prof.kernels ?? prof.times ?? prof) m((e.family ?? "") + "." + (e.kernel ?? e.name ?? e[0]), e.milliseconds ?? e[1]);
  }
};
go("fwd", run, 15);
const runb = () => scope(() => sum(lstm.forward(x).output).backward());
for (let i = 0; i < 4; i++) runb();
go("both", runb, 8);
for (const [k, v] of best) console.log(k, typeof v === "number" ? v.toFixed(2) : v);
