/**
 * Trains outside scopes, in one synchronous loop: every tensor is the engine's to collect. Prints as JSON what memory looked like after step 10
 * and at the end. Run by `memory.test.ts` in a process of its own, since peak resident memory belongs to a process.
 *
 * A step makes about 12 MiB of garbage: with much less, the engine's own laziness would decide, which lets some 80 MiB lie before it collects.
 */
import { memory, normal, randomKey, relu, type Tensor } from "@heed/tensor";
import { AdamW, Linear, meanSquaredError, Module, training } from "@heed/nn";

const steps = Number(process.argv[2]);
const key = randomKey(7);

class Model extends Module {
  readonly hidden = new Linear(16, 64, { key: key.split("hidden") });
  readonly out = new Linear(64, 1, { key: key.split("out") });

  forward(x: Tensor): Tensor {
    return this.out.forward(relu(this.hidden.forward(x)));
  }
}

const model = new Model();
const optimiser = new AdamW(model.parameters(), { lr: 1e-3 });
const x = normal(key.split("x"), [12_288, 16]);
const target = normal(key.split("target"), [12_288, 1]);

function measure() {
  for (let i = 0; i < 3; i++) globalThis.gc!(); // Buffers are swept after the collection that finds them.
  return {
    arrayBuffers: process.memoryUsage().arrayBuffers,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    liveBytes: memory().liveBytes,
  };
}

let garbage = 0;
let atTen: ReturnType<typeof measure> | undefined;
const start = performance.now();
for (let step = 1; step <= steps; step++) {
  const before = process.memoryUsage().arrayBuffers;
  optimiser.zeroGrad();
  training(key.split(step), () => meanSquaredError(model.forward(x), target)).backward();
  optimiser.step();
  if (step <= 3) garbage = Math.max(garbage, process.memoryUsage().arrayBuffers - before);
  if (step === 10) atTen = measure();
}
const milliseconds = Math.round(performance.now() - start);
console.log(JSON.stringify({ steps, milliseconds, garbagePerStep: garbage, atTen, atEnd: measure() }));
