import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  configuration,
  configure,
  crossEntropy,
  keep,
  mean,
  randomIntegers,
  randomKey,
  resident,
  scope,
  type RandomKey,
  type Tensor,
} from "@heed/tensor";
import { eachBackend, expectClose } from "@heed/tensor/testing";
import { and, causal, padding } from "@heed/masks";
import { AdamW, clipGradNorm, cosine, Embedding, Linear, Module, SGD, training } from "@heed/nn";
import { TransformerEncoder } from "./index.ts";

/** The same seed in deterministic precision gives the same parameters, bit for bit, wherever tensors live while they are trained. */

const [vocabulary, width, classes, B, L] = [11, 8, 3, 4, 6];

class Classifier extends Module {
  readonly embed: Embedding;
  readonly encoder: TransformerEncoder;
  readonly head: Linear;

  constructor(key: RandomKey) {
    super();
    this.embed = new Embedding(vocabulary, width, { key: key.split("embed") });
    this.encoder = new TransformerEncoder(width, 2, {
      key: key.split("encoder"),
      numLayers: 2,
      feedForwardDim: 12,
      activation: "gelu",
      normFirst: true,
      dropoutP: 0.1,
    });
    this.head = new Linear(width, classes, { key: key.split("head") });
  }

  forward(ids: Tensor, lengths: readonly number[]): Tensor {
    const h = this.encoder.forward(this.embed.forward(ids), { mask: and(causal(), padding(lengths)) });
    return this.head.forward(mean(h, 1));
  }
}

interface Way {
  readonly owned: boolean;
  readonly around: (step: () => void) => void;
}
const ways: Readonly<Record<string, Way>> = {
  "outside scopes": { owned: false, around: (step) => step() },
  "in scopes": { owned: false, around: (step) => scope(step) },
  resident: { owned: true, around: (step) => scope(step) },
  "resident, outside scopes": { owned: true, around: (step) => step() },
};

/** Parameters and losses after some steps. */
function train({ owned, around }: Way, { seed = 7, steps = 20, sgd = false } = {}): { state: Record<string, Tensor>; losses: number[] } {
  const key = randomKey(seed);
  const model = new Classifier(key.split("model"));
  const optimiser = sgd ? new SGD(model.parameters(), { lr: 0, momentum: 0.9 }) : new AdamW(model.parameters(), { weightDecay: 0.05 });
  const schedule = cosine({ base: 0.01, warmup: 4, total: steps });
  const owner = owned ? resident([model, optimiser]) : undefined;
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const batch = key.split("batch").split(step);
    const ids = randomIntegers(batch.split("ids"), [B, L], 0, vocabulary);
    const target = randomIntegers(batch.split("target"), [B], 0, classes);
    around(() => {
      optimiser.zeroGrad();
      const loss = training(key.split("dropout").split(step), () => crossEntropy(model.forward(ids, [6, 3, 5, 1]), target));
      loss.backward();
      clipGradNorm(optimiser.parameters, 1);
      optimiser.step(schedule(step));
      losses.push(loss.item());
    });
  }
  owner?.release();
  return { state: Object.fromEntries(Object.entries(model.stateDict()).map(([name, x]) => [name, keep(x)])), losses };
}

function hash({ state }: { state: Readonly<Record<string, Tensor>> }): string {
  const sha = createHash("sha256");
  for (const [name, x] of Object.entries(state)) sha.update(name).update(x.toTypedArray());
  return sha.digest("hex");
}

describe("deterministic precision", () => {
  const before = { ...configuration() };
  beforeEach(() => configure({ precision: "deterministic" }));
  afterEach(() => configure(before));

  it("gives the same SHA-256 of parameters from the same seed: outside scopes, in scopes, resident", () => {
    const expected = hash(train(ways["outside scopes"]));
    expect(expected).toMatch(/^[0-9a-f]{64}$/);
    for (const [name, way] of Object.entries(ways)) {
      expect(hash(train(way)), name).toBe(expected);
      expect(hash(train(way)), `${name}, again`).toBe(expected);
    }
  });

  it("gives another from another seed, or after another step", () => {
    const hashes = [hash(train(ways.resident)), hash(train(ways.resident, { seed: 8 })), hash(train(ways.resident, { steps: 19 }))];
    expect(new Set(hashes).size).toBe(3);
  });
});

describe("fast precision", () => {
  it("repeats bit for bit on one machine", () => {
    expect(hash(train(ways.resident))).toBe(hash(train(ways["outside scopes"])));
  });
});

it("ends close on every build", () => {
  // By SGD: Adam divides by the root of v, so of a gradient that is rounding alone (a bias of keys has none: softmax takes it out) it would make
  // whole steps.
  const [reference, ...builds] = eachBackend().map(({ use }) => use(() => train(ways.resident, { sgd: true })));
  expect(builds.length).toBeGreaterThan(0);
  // A step's gradient is rounded by some 50 · 2⁻²⁴ of its size, at most 1 (clipped); 20 steps of rates up to 0.01, tenfold by momentum.
  const tolerance = 20 * 0.01 * 10 * 50 * 2 ** -24;
  for (const { state, losses } of builds) {
    expectClose(losses, reference.losses, { atol: tolerance, rtol: 1e-5 });
    for (const [name, x] of Object.entries(state)) expectClose(x, reference.state[name], { atol: tolerance, rtol: 1e-5 });
  }
});
