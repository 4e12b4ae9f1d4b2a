import { math } from "@heed/kernels";
import { randomStream, type RandomKey } from "@heed/tensor";
import type { DecodingStrategy } from "../decoding-strategies.ts";

/** The highest of a row; of equal ones the lowest number. */
export function highest(row: ArrayLike<number>): number {
  let best = 0;
  for (let token = 1; token < row.length; token++) if (row[token] > row[best]) best = token;
  return best;
}

/** A token by chance, of a row of log-probabilities. */
export function draw(row: ArrayLike<number>, { temperature, topK, topP }: DecodingStrategy & { kind: "sample" }, key: RandomKey): number {
  const top = row[highest(row)];
  let tokens = Array.from({ length: row.length }, (_, token) => token).filter((token) => row[token] > -Infinity);
  if (topK < tokens.length || topP < 1) tokens.sort((a, b) => row[b] - row[a] || a - b);
  tokens = tokens.slice(0, topK);
  const chances = tokens.map((token) => math.exp((row[token] - top) / temperature));
  const all = chances.reduce((sum, chance) => sum + chance, 0);
  const enough = topP === 1 ? Infinity : topP * all;
  let kept = 0;
  let total = 0;
  for (; kept < tokens.length && total < enough; kept++) total += chances[kept];
  let rest = randomStream(key).uniform() * total;
  for (let i = 0; i < kept; i++) {
    rest -= chances[i];
    if (rest < 0) return tokens[i];
  }
  return tokens[kept - 1]; // Rounding ate the rest.
}
