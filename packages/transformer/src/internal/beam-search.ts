import { math } from "@heed/kernels";
import type { DecodingStrategy } from "../decoding-strategies.ts";
import type { Generated, Run } from "../generate.ts";

interface Beam {
  readonly tokens: readonly number[];
  readonly logProbability: number;
  /** Its row in the cache. */
  readonly row: number;
}

interface Found extends Generated {
  /** The log-probability over the length's penalty. */
  readonly score: number;
}

interface Search {
  beams: Beam[];
  /** Complete sequences, the best first, at most as many as beams. */
  readonly found: Found[];
  done: boolean;
}

/** The sequence with the best score that the search finds, per prompt. */
export function beamSearch(
  { prompts, maxNewTokens, stops, goesOn, next, select }: Run,
  { numBeams, lengthPenalty }: DecodingStrategy & { kind: "beam" },
): Generated[] {
  const penalty = (length: number) => math.pow((5 + length) / 6, lengthPenalty);
  const searches: Search[] = prompts.map((_, b) => ({ beams: [{ tokens: [], logProbability: 0, row: b }], found: [], done: false }));
  const add = ({ found }: Search, tokens: readonly number[], logProbability: number, stopped: boolean) => {
    found.push({ tokens: [...tokens], logProbability, stopped, score: logProbability / penalty(tokens.length) });
    found.sort((one, other) => other.score - one.score);
    found.length = Math.min(found.length, numBeams);
  };

  let input = prompts;
  for (let step = 1; step <= maxNewTokens; step++) {
    const rows = next(input);
    for (const search of searches.filter(({ done }) => !done)) {
      const candidates = likeliest(search.beams, rows, 2 * numBeams);
      search.beams = [];
      candidates.forEach(({ beam, token, logProbability }, rank) => {
        const tokens = [...beam.tokens, token];
        if (!stops.has(token)) {
          if (search.beams.length < numBeams) search.beams.push({ tokens, logProbability, row: beam.row });
        } else if (rank < numBeams) add(search, tokens, logProbability, true);
      });
      // A beam's log-probability only falls, and no penalty is larger than that of the greatest length.
      const hope = Math.max(...search.beams.map(({ logProbability }) => logProbability)) / penalty(maxNewTokens);
      search.done = search.beams.length === 0 || (search.found.length === numBeams && search.found.at(-1)!.score >= hope);
    }
    const running = searches.filter(({ done }) => !done);
    if (!goesOn(step, running.length, () => searches.map((search) => [...best(search)])) || running.length === 0 || step === maxNewTokens)
      break;
    const beams = running.flatMap((search) => search.beams);
    select(beams.map(({ row }) => row));
    input = beams.map(({ tokens }) => [tokens.at(-1)!]);
    let row = 0;
    for (const search of running) search.beams = search.beams.map((beam) => ({ ...beam, row: row++ }));
  }
  return searches.map((search) => {
    if (!search.done) for (const { tokens, logProbability } of search.beams) add(search, tokens, logProbability, false);
    const { tokens, logProbability, stopped } = search.found[0];
    return { tokens, logProbability, stopped };
  });
}

/** The best `count` continuations of some beams, the best first; of equal ones that of the first beam, then of the lowest token. */
function likeliest(
  beams: readonly Beam[],
  rows: readonly ArrayLike<number>[],
  count: number,
): { beam: Beam; token: number; logProbability: number }[] {
  const all: { beam: Beam; token: number; logProbability: number }[] = [];
  for (const beam of beams) {
    const row = rows[beam.row];
    for (let token = 0; token < row.length; token++) {
      const logProbability = beam.logProbability + row[token];
      if (logProbability === -Infinity || (all.length === count && logProbability <= all[count - 1].logProbability)) continue;
      let at = Math.min(all.length, count - 1);
      while (at > 0 && all[at - 1].logProbability < logProbability) at--;
      all.splice(at, 0, { beam, token, logProbability });
      all.length = Math.min(all.length, count);
    }
  }
  return all;
}

function best({ beams, found }: Search): readonly number[] {
  return found[0]?.tokens ?? beams[0]?.tokens ?? [];
}
