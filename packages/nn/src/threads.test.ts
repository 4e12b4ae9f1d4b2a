import { createHash } from "node:crypto";
import { backend, configuration, configure, features, profileKernels, threads } from "@heed/kernels";
import { crossEntropy, gelu, normal, randomKey, resident, scope, tensor, type Tensor } from "@heed/tensor";
import { afterAll, expect, it } from "vitest";
import { AdamW, LayerNorm, Linear, Module, predict } from "./index.ts";

const before = { ...configuration() };
afterAll(() => configure(before));

const key = randomKey(11);

class Model extends Module {
  readonly up = new Linear(160, 301, { key: key.split("up") });
  readonly norm = new LayerNorm(301);
  readonly down = new Linear(301, 67, { key: key.split("down") });

  forward(x: Tensor): Tensor {
    return this.down.forward(gelu(this.norm.forward(this.up.forward(x))));
  }
}

/** Trains for some steps, then predicts with residents; the SHA-256 of parameters and predictions. Every product, function and norm is large enough to be shared. */
function trainedHash(): string {
  const model = new Model();
  const optimiser = new AdamW(model.parameters(), { lr: 0.01 });
  const x = normal(key.split("x"), [611, 160]);
  const target = tensor(Int32Array.from({ length: 611 }, (_, i) => (7 * i) % 67));
  for (let step = 0; step < 12; step++) {
    scope(() => {
      optimiser.zeroGrad();
      crossEntropy(model.forward(x), target).backward();
      optimiser.step();
    });
  }
  const hash = createHash("sha256");
  for (const value of Object.values(model.stateDict())) hash.update(value.toTypedArray());
  const owner = resident([model]);
  // From the second on by weights that were packed once.
  for (let time = 0; time < 3; time++) hash.update(predict(model, x).toTypedArray());
  owner.release();
  return hash.digest("hex");
}

it.runIf(features().sharedMemory).each(["fast", "deterministic"] as const)(
  "training ends in the same bits with 1, 2 and 4 threads, %s",
  { timeout: 120_000 },
  async (precision) => {
    const hashes: string[] = [];
    for (const count of [1, 2, 4]) {
      configure({ precision, threads: count });
      expect(await threads.ready()).toBe(count);
      expect(backend().threads).toBe(count);
      const { result, kernels } = profileKernels(trainedHash);
      hashes.push(result);
      // Cut into several calls wherever there are workers: what is compared is work that was shared.
      const calls = (name: string) => kernels.find(({ kernel }) => kernel === name)!.calls;
      if (count === 1) expect(calls("layerNormGrad")).toBe(12);
      else expect(calls("layerNormGrad")).toBeGreaterThan(12);
    }
    expect(new Set(hashes).size).toBe(1);
  },
);
