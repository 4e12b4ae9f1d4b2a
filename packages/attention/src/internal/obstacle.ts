import type { Return } from "../options.ts";
import { lower, type Lowered, type LowerScore } from "./lower.ts";
import type { Call } from "./call.ts";

/** Why a call, or a part of it, runs the dense definition: the option at fault, and a sentence. */
export interface Obstacle {
  readonly option: string;
  readonly reason: string;
}

/** A call as the streaming kernel takes it, or what keeps the kernel from taking it; where nothing can be lowered, that alone. */
export function streamable(call: Call, lowerScore: LowerScore): Streamable {
  if (typeof call.score.lower !== "function") return { obstacle: { option: "score", reason: `"${call.score.name}" does not lower` } };
  const lowered = lower(call, lowerScore);
  const obstacle = obstacleOf(lowered);
  return obstacle === undefined ? { lowered } : { lowered, obstacle };
}

type Streamable =
  | { readonly lowered: Lowered; readonly obstacle?: undefined }
  | { readonly lowered?: Lowered; readonly obstacle: Obstacle };

/** What the streaming kernel does not take: the one place that says so. */
function obstacleOf({ call, score, scoreMod }: Lowered): Obstacle | undefined {
  if (score.form === "additive" && score.edgeTerm !== undefined)
    return { option: "score", reason: "an edge term of an additive score has a number per pair" };
  if (call.scoreMod !== undefined) {
    if (scoreMod === undefined) return { option: "scoreMod", reason: `"${call.scoreMod.name}" brings no kernels` };
    // In double precision nothing is compiled.
    const reason = call.query.dtype === "float64" ? undefined : scoreMod.obstacle();
    if (reason !== undefined) return { option: "scoreMod", reason };
  }
  return undefined;
}

/** Sizes of 0 leave nothing to stream. */
export function isEmpty({ call: { context, key, value } }: Lowered): boolean {
  const { B, H, L, S } = context;
  return B * H * L * S * key.shape[3] * value.shape[3] === 0;
}

/** What needs an array of L × S because it is one. */
export function obstacleInReturns(returns: readonly Return[]): Obstacle | undefined {
  const option = returns.find((name) => name !== "lse");
  return option === undefined ? undefined : { option: "returns", reason: `"${option}" is an array of L × S` };
}
