import { afterEach, describe, expect, it } from "vitest";
import { add, logSoftmax, memory, noGrad, randomKey, tensor, type RandomKey, type Tensor } from "@heed/tensor";
import { eachBackend, expectClose } from "@heed/tensor/testing";
import { causal, padding } from "@heed/masks";
import { Embedding, Linear, Module } from "@heed/nn";
import { rope, sinusoidal } from "@heed/positional";
import {
  beam,
  generate,
  greedy,
  lastTokens,
  sample,
  Transformer,
  TransformerEncoder,
  type DecodingStep,
  type GenerateOptions,
  type LanguageModel,
} from "./index.ts";

const key = randomKey(7);
const [vocabulary, width] = [7, 12];

/** A decoder without memory: encoder layers with a causal mask. */
class Small extends Module implements LanguageModel {
  readonly embed: Embedding;
  readonly stack: TransformerEncoder;
  readonly head: Linear;
  /** Tokens computed so far, with padding. */
  computed = 0;

  constructor(from: RandomKey) {
    super();
    this.embed = new Embedding(vocabulary, width, { key: from.split("embed") });
    this.stack = new TransformerEncoder(width, 4, {
      key: from.split("stack"),
      numLayers: 2,
      feedForwardDim: 16,
      normFirst: true,
      numKeyValueHeads: 2,
      rotation: rope,
    });
    // Wide enough that probabilities differ.
    this.head = new Linear(width, vocabulary, { key: from.split("head") });
  }

  decode(ids: Tensor, step?: DecodingStep): Tensor {
    this.computed += ids.size;
    const h = this.stack.forward(this.embed.forward(ids), { mask: causal(), ...step });
    return this.head.forward(step === undefined ? h : lastTokens(h, step.lengths));
  }
}
const model = new Small(key);
const prompts = [[1, 5, 3], [2], [4, 4, 0, 6, 1]];

/** Log-probabilities of the token after a sequence, without a cache. */
function after(tokens: readonly number[], of: Small = model): number[] {
  const row = noGrad(() => logSoftmax(of.decode(tensor([[...tokens]], { dtype: "int32" }))).slice(1, tokens.length - 1, tokens.length));
  return (row.toArray() as number[][][])[0][0];
}
function greedily(prompt: readonly number[], count: number, stops: readonly number[] = []): { tokens: number[]; logProbability: number } {
  const tokens: number[] = [];
  let logProbability = 0;
  while (tokens.length < count && !stops.includes(tokens.at(-1)!)) {
    const row = after([...prompt, ...tokens]);
    tokens.push(row.indexOf(Math.max(...row)));
    logProbability += row[tokens.at(-1)!];
  }
  return { tokens, logProbability };
}

afterEach(() => {
  expect(memory().liveBytes, "live bytes after the test").toBe(0);
});

describe.each(eachBackend())("on $name", ({ use }) => {
  it("greedy continues prompts of different lengths as whole passes without a cache do", () =>
    use(() => {
      const found = generate(model, prompts, { maxNewTokens: 12, cache: { capacity: 2 } });
      found.forEach(({ tokens, logProbability, stopped }, b) => {
        const expected = greedily(prompts[b], 12);
        expect([tokens, stopped]).toEqual([expected.tokens, false]);
        // Twelve logarithms of up to 3, each off by some rounding of a pass of two layers.
        expectClose([logProbability], [expected.logProbability], 12 * 64 * 2 ** -23);
      });
    }));

  it("beams that keep everything find the likeliest sequence of all", () =>
    use(() => {
      const stops = [0];
      const complete: { tokens: number[]; score: number }[] = [];
      const penalty = (n: number) => ((5 + n) / 6) ** 0.6;
      const walk = (tokens: number[], logProbability: number) => {
        if (stops.includes(tokens.at(-1)!) || tokens.length === 3) {
          complete.push({ tokens, score: logProbability / penalty(tokens.length) });
          return;
        }
        after([...prompts[0], ...tokens]).forEach((p, token) => walk([...tokens, token], logProbability + p));
      };
      walk([], 0);
      complete.sort((a, b) => b.score - a.score);
      const [{ tokens }] = generate(model, [prompts[0]], {
        maxNewTokens: 3,
        stopTokens: stops,
        strategy: beam({ numBeams: vocabulary ** 2 }),
      });
      expect(tokens).toEqual(complete[0].tokens);
    }));
});

describe("generate", () => {
  const run = (options: Partial<GenerateOptions> = {}) => generate(model, prompts, { maxNewTokens: 9, ...options });
  const tokensOf = (options?: Partial<GenerateOptions>) => run(options).map(({ tokens }) => tokens);

  it("computes each token once", () => {
    model.computed = 0;
    generate(model, [[1, 5, 3]], { maxNewTokens: 5 });
    expect(model.computed).toBe(3 + 4);
  });

  it("ends samples at a stop token of theirs, and goes on with the others", () => {
    const whole = tokensOf();
    const stops = [whole[0][2]];
    const found = run({ stopTokens: stops });
    found.forEach(({ tokens, stopped }, b) => {
      const at = whole[b].findIndex((token) => stops.includes(token));
      expect([tokens, stopped]).toEqual([at < 0 ? whole[b] : whole[b].slice(0, at + 1), at >= 0]);
    });
    expect(found.some(({ stopped }) => stopped)).toBe(true);
  });

  it("takes a tensor of prompts, no prompts and no tokens", () => {
    const ids = tensor([prompts[0], [2, 2, 2]], { dtype: "int32" });
    expect(generate(model, ids, { maxNewTokens: 4 })[0]).toEqual(generate(model, [prompts[0], [2, 2, 2]], { maxNewTokens: 4 })[0]);
    expect(generate(model, [], { maxNewTokens: 4 })).toEqual([]);
    expect(generate(model, [[1]], { maxNewTokens: 0 })).toEqual([{ tokens: [], logProbability: 0, stopped: false }]);
  });

  it("samples as its key says, whoever else is in the batch", () => {
    const strategy = (seed: number) => sample({ key: randomKey(seed), temperature: 3 });
    expect(tokensOf({ strategy: strategy(1) })).toEqual(tokensOf({ strategy: strategy(1) }));
    expect(tokensOf({ strategy: strategy(1) })).not.toEqual(tokensOf({ strategy: strategy(2) }));
    expect(generate(model, prompts.slice(0, 1), { maxNewTokens: 9, strategy: strategy(1) })[0].tokens).toEqual(
      tokensOf({ strategy: strategy(1) })[0],
    );
  });

  it("samples the likeliest where nothing else is left: topK 1, a tiny topP, a low temperature", () => {
    for (const cut of [{ topK: 1 }, { topP: 1e-6 }, { temperature: 1e-4 }])
      expect(tokensOf({ strategy: sample({ key, ...cut }) })).toEqual(tokensOf());
  });

  it("samples each token as often as its probability says, after temperature, topK and topP", () => {
    const row = after([1, 5, 3]);
    const [temperature, topK, topP] = [2, 5, 0.8];
    const sorted = row
      .map((logProbability, token) => ({ token, chance: Math.exp(logProbability / temperature) }))
      .sort((a, b) => b.chance - a.chance);
    const left = sorted.slice(0, topK);
    const all = left.reduce((sum, { chance }) => sum + chance, 0);
    const kept: typeof left = [];
    for (let total = 0; total < topP * all; total += kept.at(-1)!.chance) kept.push(left[kept.length]);
    const sum = kept.reduce((total, { chance }) => total + chance, 0);
    const n = 2000;
    const counts = new Map<number, number>();
    const found = generate(
      model,
      Array.from({ length: n }, () => [1, 5, 3]),
      {
        maxNewTokens: 1,
        strategy: sample({ key, temperature, topK, topP }),
      },
    );
    for (const { tokens } of found) counts.set(tokens[0], (counts.get(tokens[0]) ?? 0) + 1);
    expect([...counts.keys()].sort()).toEqual(kept.map(({ token }) => token).sort());
    // Five deviations of a binomial count.
    for (const { token, chance } of kept) {
      const p = chance / sum;
      expect(Math.abs(counts.get(token)! - n * p)).toBeLessThan(5 * Math.sqrt(n * p * (1 - p)));
    }
  });

  it("one beam without penalty is greedy; more beams find what is at least as likely", () => {
    const stopTokens = [0, 1];
    const strategy = beam({ numBeams: 1, lengthPenalty: 0 });
    expect(tokensOf({ strategy, stopTokens })).toEqual(tokensOf({ stopTokens }));
    const wide = run({ strategy: beam({ numBeams: 4, lengthPenalty: 0 }), stopTokens });
    run({ strategy, stopTokens }).forEach(({ logProbability }, b) =>
      expect(wide[b].logProbability).toBeGreaterThanOrEqual(logProbability - 1e-5),
    );
    wide.forEach(({ tokens, logProbability }, b) => {
      const expected = tokens.reduce((sum, token, i) => sum + after([...prompts[b], ...tokens.slice(0, i)])[token], 0);
      expectClose([logProbability], [expected], 1e-4);
    });
  });

  it("reports each step, and ends when told to", () => {
    const seen: string[] = [];
    const strategies = [greedy(), beam({ numBeams: 2 })];
    for (const strategy of strategies) {
      const found = run({
        strategy,
        onStep: ({ step, maxNewTokens, running, tokens }) => {
          seen.push(`${step}/${maxNewTokens} ${running} ${tokens.map(({ length }) => length).join(",")}`);
          return step < 3;
        },
      });
      expect(found.map(({ tokens }) => tokens.length)).toEqual([3, 3, 3]);
    }
    expect(seen).toEqual([1, 2, 3, 1, 2, 3].map((step) => `${step}/9 3 ${step},${step},${step}`));
  });

  it("owns its model while it runs, and gives all back when something throws", () => {
    const home = () => model.head.weight.storage.home;
    const homes: string[] = [];
    run({ maxNewTokens: 1, onStep: () => homes.push(home()) });
    expect([...homes, home()]).toEqual(["resident", "heap"]);
    expect(() =>
      run({
        onStep: () => {
          throw new Error("enough");
        },
      }),
    ).toThrow("enough");
    expect(home()).toBe("heap");
  });

  it("continues from what an encoder said, with and without beams", () => {
    const [source, target] = [
      new Embedding(vocabulary, width, { key: key.split("source") }),
      new Embedding(vocabulary, width, { key: key.split("target") }),
    ];
    const translator = new Transformer(width, 2, {
      key: key.split("translator"),
      numEncoderLayers: 1,
      numDecoderLayers: 2,
      feedForwardDim: 16,
    });
    const head = new Linear(width, vocabulary, { key: key.split("head") });
    const positions = sinusoidal(30, width);
    const lengths = [4, 2];
    const said = noGrad(() =>
      translator.encoder.forward(
        source.forward(
          tensor(
            [
              [1, 2, 3, 4],
              [5, 6, 0, 0],
            ],
            { dtype: "int32" },
          ),
        ),
        { mask: padding(lengths) },
      ),
    );
    const at = (from: number, n: number) => positions.slice(0, from, from + n);
    const spoken: LanguageModel = {
      *state() {
        for (const part of [translator.decoder, target, head]) yield* part.state();
      },
      decode: (ids, { cache }) => {
        const x = add(target.forward(ids), at(cache.length, ids.shape[1]));
        return head.forward(translator.decoder.forward(x, said, { mask: causal(), cache, memoryLengths: lengths }));
      },
    };
    const whole = (b: number, tokens: readonly number[]) => {
      const x = add(target.forward(tensor([[...tokens]], { dtype: "int32" })), at(0, tokens.length));
      const memoryOf = said.slice(0, b, b + 1).slice(1, 0, lengths[b]);
      const y = noGrad(() => logSoftmax(head.forward(lastTokens(translator.decoder.forward(x, memoryOf, { mask: causal() })))));
      return (y.toArray() as number[][][])[0][0];
    };
    const found = generate(spoken, [[1], [1]], { maxNewTokens: 6 });
    found.forEach(({ tokens }, b) =>
      tokens.forEach((token, i) => {
        const row = whole(b, [1, ...tokens.slice(0, i)]);
        expect(row[token]).toBeGreaterThan(Math.max(...row) - 1e-5);
      }),
    );
    const wide = generate(spoken, [[1], [1]], { maxNewTokens: 6, strategy: beam({ numBeams: 3 }) });
    wide.forEach(({ tokens, logProbability }, b) => {
      const expected = tokens.reduce((sum, token, i) => sum + whole(b, [1, ...tokens.slice(0, i)])[token], 0);
      expectClose([logProbability], [expected], 1e-4);
      expect(logProbability).toBeGreaterThanOrEqual(found[b].logProbability - 1e-4);
    });
  });

  it("tells a model that keeps a state of its own which samples go on", () => {
    // Says the number of steps so far, of its own count for each sample, until its prompt's number.
    let counts: { count: number; last: number }[] = [];
    const seen: number[][] = [];
    const counting: LanguageModel = {
      state: () => [],
      decode(ids) {
        const tokens = (ids.toArray() as number[][]).map(([token]) => token);
        if (counts.length === 0) counts = tokens.map((last) => ({ count: 0, last }));
        counts = counts.map(({ count, last }) => ({ count: count + 1, last }));
        return tensor(counts.map(({ count, last }) => [Array.from({ length: 7 }, (_, token) => (token === (count < last ? count : 6) ? 9 : 0))])); // prettier-ignore
      },
      select(samples) {
        seen.push([...samples]);
        counts = samples.map((sample) => counts[sample]);
      },
    };
    const found = generate(counting, [[3], [1], [4]], { maxNewTokens: 6, stopTokens: [6] });
    expect(found.map(({ tokens }) => tokens)).toEqual([[1, 2, 6], [6], [1, 2, 3, 6]]); // prettier-ignore
    expect(seen).toEqual([[0, 2], [0, 1], [1]]); // prettier-ignore
  });

  it("says what is wrong", () => {
    expect(() => generate(model, [[]], { maxNewTokens: 1 })).toThrow("generate: a prompt needs a token; got sample 0. Begin with a token");
    expect(() => generate(model, [[1.5]], { maxNewTokens: 1 })).toThrow("tokens are whole numbers, not negative; got sample 0, token 1.5");
    expect(() => generate(model, tensor([1, 2]), { maxNewTokens: 1 })).toThrow("prompts must be lists of token numbers, or int32 [B, L]");
    expect(() => generate(model, [[1]], { maxNewTokens: -1 })).toThrow(
      "maxNewTokens must be a whole number, not negative; got maxNewTokens -1",
    );
    const state = () => [];
    expect(() => generate({ state, decode: (ids) => ids }, [[1]], { maxNewTokens: 1 })).toThrow(
      "decode must return [B, n, vocabulary] or [B, 1, vocabulary]; got ids [1, 1], logits [1, 1]",
    );
    expect(() => generate({ state, decode: () => tensor([[[NaN, 1]]]) }, [[1]], { maxNewTokens: 1 })).toThrow(
      "logits must not be NaN, nor all −∞",
    );
    expect(() => sample({ key, temperature: 0 })).toThrow(
      "temperature must be above 0 and finite; got temperature 0. For the likeliest token take greedy()",
    );
    expect(() => sample({ key, topK: 0 })).toThrow("topK must be a whole number from 1 on");
    expect(() => sample({ key, topP: 1.5 })).toThrow("topP must be above 0, and at most 1");
    expect(() => beam({ numBeams: 0 })).toThrow("numBeams must be a whole number from 1 on");
    expect(() => beam({ numBeams: 2, lengthPenalty: -1 })).toThrow("lengthPenalty must not be negative");
    expect(() => lastTokens(tensor([[[1]]]), [2])).toThrow("lengths must be one per sample, from 1 to n");
  });
});
