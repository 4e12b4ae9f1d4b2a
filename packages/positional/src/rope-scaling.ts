import { math } from "@heed/kernels";
import { HeedError } from "@heed/tensor";
import { requireBase } from "./internal/require.ts";

/** Ways to read a context longer than the one a model was trained on. `factor` says how many times longer, from 1 on. */
export type RopeScaling =
  /** Positions shrink by the factor: all distances look shorter. Wants some training. @see Chen et al. 2023 (arXiv:2306.15595) */
  | { readonly kind: "linear"; readonly factor: number }
  /** The base grows, base · factor^(D / (D − 2)): the slowest pair shrinks by the factor, the fastest stays. */
  | { readonly kind: "ntk"; readonly factor: number }
  /**
   * As ntk, but only as much as the sequence needs: with n the larger of `length` and originalLength, base · (factor · n / originalLength −
   * (factor − 1))^(D / (D − 2)). `length` is by default one more than the last position of the call; a cache of turned keys wants one length for all.
   */
  | { readonly kind: "dynamic"; readonly factor: number; readonly originalLength: number; readonly length?: number }
  /**
   * Pairs that turn more than `betaFast` times (default 32) within originalLength stay, those that turn less than `betaSlow` times (default 1) shrink by
   * the factor, those between go from one to the other; queries and keys grow by `magnitude` (default 0.1 ln(factor) + 1), which sharpens the softmax.
   * @see Peng et al. 2023 (YaRN, arXiv:2309.00071), §3
   */
  | {
      readonly kind: "yarn";
      readonly factor: number;
      readonly originalLength: number;
      readonly betaFast?: number;
      readonly betaSlow?: number;
      readonly magnitude?: number;
    };

export interface RopeRates {
  /** Angle per position of each pair, `[rotaryDim / 2]`. */
  readonly rates: readonly number[];
  /** What turned features are multiplied by: 1 but for yarn. */
  readonly magnitude: number;
}

/**
 * How fast each pair of features turns: base^(−2 i / rotaryDim) radians per position, i < rotaryDim / 2, less what the scaling takes off.
 *
 * Letters: D = rotaryDim. `rates` has D / 2 numbers, none at D = 0; `magnitude` is 1 but for yarn. Time O(D).
 * @param options.length how long the sequence is; dynamic scaling asks
 * @throws {HeedError} for an odd rotaryDim, a base that is not above 0, or a scaling out of range.
 * @see Su et al. 2021 (arXiv:2104.09864)
 */
export function ropeRates(
  rotaryDim: number,
  { base = 10_000, scaling, length = 0 }: { readonly base?: number; readonly scaling?: RopeScaling; readonly length?: number } = {},
): RopeRates {
  if (!Number.isInteger(rotaryDim) || rotaryDim < 0 || rotaryDim % 2 !== 0)
    throw new HeedError("rope", "rotaryDim must be even", { rotaryDim });
  requireBase("rope", base);
  const pairs = rotaryDim / 2;
  const geometric = (from: number) => Array.from({ length: pairs }, (_, i) => math.pow(from, -i / pairs));
  if (scaling === undefined) return { rates: geometric(base), magnitude: 1 };
  requireScaling(scaling);
  const { factor } = scaling;
  /** A base whose slowest pair is that of `base` over `by`. One pair turns once per position whatever the base. */
  const stretched = (by: number) => geometric(pairs < 2 ? base : base * math.pow(by, pairs / (pairs - 1)));
  switch (scaling.kind) {
    case "linear":
      return { rates: geometric(base).map((rate) => rate / factor), magnitude: 1 };
    case "ntk":
      return { rates: stretched(factor), magnitude: 1 };
    case "dynamic": {
      const { originalLength } = scaling;
      const longest = Math.max(originalLength, scaling.length ?? length);
      return { rates: stretched((factor * longest) / originalLength - (factor - 1)), magnitude: 1 };
    }
    case "yarn": {
      const { originalLength, betaFast = 32, betaSlow = 1, magnitude = 0.1 * math.log(factor) + 1 } = scaling;
      /** The pair that turns so many times within the original length. */
      const pairOf = (turns: number) => (pairs * math.log(originalLength / (turns * 2 * Math.PI))) / math.log(base);
      const low = Math.max(0, Math.floor(pairOf(betaFast)));
      const high = Math.min(rotaryDim - 1, Math.ceil(pairOf(betaSlow)));
      const rates = geometric(base).map((rate, i) => {
        const shrunk = Math.min(1, Math.max(0, (i - low) / (high === low ? 0.001 : high - low)));
        return (rate / factor) * shrunk + rate * (1 - shrunk);
      });
      return { rates, magnitude };
    }
  }
}

function requireScaling(scaling: RopeScaling): void {
  const { kind, ...numbers } = scaling;
  if (!["linear", "ntk", "dynamic", "yarn"].includes(kind))
    throw new HeedError("rope", "scaling is of kind linear, ntk, dynamic or yarn", { kind });
  if (!(numbers.factor >= 1))
    throw new HeedError("rope", "factor must be at least 1", { factor: numbers.factor }, "4 reads a fourfold context.");
  for (const [name, value] of Object.entries(numbers)) {
    if (!(value > 0 && Number.isFinite(value)))
      throw new HeedError("rope", `${name} of a scaling must be above 0 and finite`, { [name]: value });
  }
  if ((kind === "dynamic" || kind === "yarn") && (scaling as { originalLength?: number }).originalLength === undefined)
    throw new HeedError("rope", `${kind} needs originalLength`, {}, "It is the longest sequence of the training.");
}
