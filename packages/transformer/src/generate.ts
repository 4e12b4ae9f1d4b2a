import { HeedError, logSoftmax, noGrad, resident, scope, ShapeError, Tensor, tensor } from "@heed/tensor";
import type { Stateful } from "@heed/tensor/operation";
import type { KeyValueCacheOptions } from "@heed/attention";
import { evaluating } from "@heed/nn";
import { DecodingCache } from "./decoding-cache.ts";
import { greedy, type DecodingStrategy } from "./decoding-strategies.ts";
import { beamSearch } from "./internal/beam-search.ts";
import { draw, highest } from "./internal/draw.ts";
import { lastTokens } from "./last-tokens.ts";

/** What `generate` runs: a module with a `decode`. */
export interface LanguageModel extends Stateful {
  /**
   * Logits of the token after each of `ids`, or after the last real one of each sample alone.
   * @param ids int32 `[B, n]`: those after the ones that the cache has seen
   * @returns `[B, n, vocabulary]`, or `[B, 1, vocabulary]`
   */
  decode(ids: Tensor, step: DecodingStep): Tensor;
  /** Takes samples anew by their numbers, as the cache does: for a model that keeps something of its own from step to step, such as a recurrent state. */
  select?(samples: readonly number[]): void;
}

/** For the stack: `stack.forward(x, { mask: causal(), ...step })`. */
export interface DecodingStep {
  readonly cache: DecodingCache;
  /** How many of the n tokens of each sample are real, where they differ: at the first step, of prompts of different lengths. */
  readonly lengths?: readonly number[];
}

export interface GenerateOptions {
  readonly maxNewTokens: number;
  /** Default `greedy()`. */
  readonly strategy?: DecodingStrategy;
  /** A sequence that got one of these is complete. Default none. */
  readonly stopTokens?: readonly number[];
  /** Of each layer's cache: `capacity`, and the `window` that the model's mask has. */
  readonly cache?: KeyValueCacheOptions;
  /** After each step; `false` ends the generation. */
  readonly onStep?: (progress: GenerateProgress) => unknown;
}

export interface GenerateProgress {
  /** From 1 to `maxNewTokens`. */
  readonly step: number;
  readonly maxNewTokens: number;
  /** Samples that are not complete yet. */
  readonly running: number;
  /** New tokens of each sample so far; of beams, the best one's. */
  readonly tokens: readonly (readonly number[])[];
}

/** A continuation of a prompt. */
export interface Generated {
  /** The new tokens, with the one that stopped it. */
  readonly tokens: number[];
  /** Natural logarithm of the model's probability of these tokens after the prompt. */
  readonly logProbability: number;
  /** Whether a stop token ended it, not `maxNewTokens`. */
  readonly stopped: boolean;
}

/**
 * Continues each prompt token by token: the first call of the model reads the prompts, each later one a token per sample, with keys and values of
 * all that was before from a cache.
 *
 * Evaluates without recording, owns the model's parameters while it runs (they stay in linear memory), and gives all memory back, also when
 * something throws. Synchronous; samples that are complete are no longer computed.
 *
 * @param model anything with `state()` and `decode(ids, { cache, lengths })`; an encoder–decoder closes over the memory
 * @param prompts a list of token numbers per sample, of any lengths from 1 on, or int32 `[B, L]`
 * @returns a continuation per sample. The same model, prompts and strategy give the same tokens.
 * @throws {HeedError} for empty prompts, options out of range, or logits that are NaN or all −∞; {ShapeError} when `decode` returns another shape.
 *
 * Letters: B samples, L tokens. Time O(maxNewTokens) passes, each over B (times numBeams) tokens that attend to all before; sampling with topK or
 * topP sorts the vocabulary, and beams copy the cache.
 * @see Vaswani et al. 2017, §3.1 (arXiv:1706.03762); Shazeer 2019, §2.4 (the cache, arXiv:1911.02150)
 * @example
 * const [{ tokens }] = generate(model, [[1, 5, 3]], { maxNewTokens: 20, stopTokens: [0], strategy: sample({ key, topP: 0.9 }) });
 */
export function generate(model: LanguageModel, prompts: Tensor | readonly (readonly number[])[], options: GenerateOptions): Generated[] {
  const { maxNewTokens, strategy = greedy(), stopTokens = [] } = options;
  if (!Number.isInteger(maxNewTokens) || maxNewTokens < 0) {
    throw new HeedError("generate", "maxNewTokens must be a whole number, not negative", { maxNewTokens });
  }
  const rows = promptsOf(prompts);
  if (maxNewTokens === 0 || rows.length === 0) return rows.map(() => ({ tokens: [], logProbability: 0, stopped: false }));
  const owner = resident([model]);
  const cache = new DecodingCache(options.cache);
  const run: Run = {
    prompts: rows,
    maxNewTokens,
    stops: new Set(stopTokens),
    goesOn: (step, running, tokens) => options.onStep?.({ step, maxNewTokens, running, tokens: tokens() }) !== false,
    next: (tokens) => nextRows(model, cache, tokens),
    select(samples) {
      cache.select(samples);
      model.select?.(samples);
    },
  };
  try {
    return strategy.kind === "beam" ? beamSearch(run, strategy) : oneByOne(run, strategy);
  } finally {
    cache.release();
    owner.release();
  }
}

/** What a strategy works with. */
export interface Run {
  readonly prompts: readonly (readonly number[])[];
  readonly maxNewTokens: number;
  readonly stops: ReadonlySet<number>;
  /** Reports; false where the caller wants no more. */
  goesOn(step: number, running: number, tokens: () => number[][]): boolean;
  /** Log-probabilities of the token after these, a row per sample. */
  next(tokens: readonly (readonly number[])[]): readonly ArrayLike<number>[];
  /** Takes samples of the cache anew. */
  select(samples: readonly number[]): void;
}

function oneByOne({ prompts, maxNewTokens, stops, goesOn, next, select }: Run, strategy: DecodingStrategy): Generated[] {
  const results = prompts.map(() => ({ tokens: [] as number[], logProbability: 0, stopped: false }));
  let running = [...prompts.keys()];
  let input = prompts;
  for (let step = 1; step <= maxNewTokens; step++) {
    const rows = next(input);
    rows.forEach((row, i) => {
      const b = running[i];
      const token = strategy.kind === "sample" ? draw(row, strategy, strategy.key.split(b).split(step)) : highest(row);
      const result = results[b];
      result.tokens.push(token);
      result.logProbability += row[token];
      result.stopped = stops.has(token);
    });
    const places = [...running.keys()].filter((i) => !results[running[i]].stopped);
    const left = places.map((i) => running[i]);
    if (!goesOn(step, left.length, () => results.map(({ tokens }) => [...tokens])) || left.length === 0 || step === maxNewTokens) break;
    select(places);
    running = left;
    input = running.map((b) => [results[b].tokens.at(-1)!]);
  }
  return results;
}

function nextRows(model: LanguageModel, cache: DecodingCache, tokens: readonly (readonly number[])[]): ArrayLike<number>[] {
  const lengths = tokens.map(({ length }) => length);
  const [B, n] = [tokens.length, Math.max(...lengths)];
  const even = lengths.every((length) => length === n);
  const flat = Int32Array.from({ length: B * n }, (_, at) => tokens[Math.floor(at / n)][at % n] ?? 0);
  const { values, vocabulary } = evaluating(() =>
    noGrad(() =>
      scope(() => {
        const logits = model.decode(tensor(flat, { shape: [B, n] }), { cache, lengths: even ? undefined : lengths });
        if (!(logits instanceof Tensor) || logits.rank !== 3 || logits.shape[0] !== B || ![1, n].includes(logits.shape[1])) {
          const got = { ids: [B, n], logits: logits instanceof Tensor ? logits.shape : typeof logits };
          throw new ShapeError("generate", "decode must return [B, n, vocabulary] or [B, 1, vocabulary]", got);
        }
        const last = logits.shape[1] === n ? lastTokens(logits, even ? undefined : lengths) : logits;
        return { values: logSoftmax(last).toTypedArray(), vocabulary: logits.shape[2] };
      }),
    ),
  );
  const rows = tokens.map((_, b) => values.subarray(b * vocabulary, (b + 1) * vocabulary));
  if (!rows.every((row) => row.some((x) => x > -Infinity) && !row.some(Number.isNaN))) {
    throw new HeedError("generate", "logits must not be NaN, nor all −∞", {}, "Look at the model's parameters.");
  }
  return rows;
}

function promptsOf(prompts: Tensor | readonly (readonly number[])[]): (readonly number[])[] {
  const isTensor = prompts instanceof Tensor;
  if (isTensor ? prompts.rank !== 2 || prompts.dtype !== "int32" : !prompts.every((row) => Array.isArray(row))) {
    const got = isTensor ? { prompts: prompts.shape, dtype: prompts.dtype } : { prompts: "no lists" };
    throw new ShapeError("generate", "prompts must be lists of token numbers, or int32 [B, L]", got, "One prompt is [[1, 5, 3]].");
  }
  const rows = isTensor ? (prompts.toArray() as number[][]) : [...prompts];
  rows.forEach((row, b) => {
    if (row.length === 0)
      throw new HeedError("generate", "a prompt needs a token", { sample: b }, "Begin with a token of its own for the start.");
    const odd = row.find((token) => !Number.isInteger(token) || token < 0);
    if (odd !== undefined) throw new HeedError("generate", "tokens are whole numbers, not negative", { sample: b, token: odd });
  });
  return rows;
}
