import { HeedError, type Tensor } from "@heed/tensor";
import type { Mask } from "@heed/tensor/terms";
import type { Call } from "../../internal/call.ts";
import { prepare } from "../../internal/prepare.ts";
import { reachOf, type Reach } from "./reach.ts";

/** What every linear-time variant takes. */
export interface LinearTimeOptions {
  /** `causal()`, `padding(lengths)`, or `and(…)` of both: queries must see the first keys. Default: all see all. */
  readonly mask?: Mask;
  /** Where query 0 stands among the keys: a number, or one per sample. Default S − L. */
  readonly queryOffset?: number | Int32Array;
  /** `"bhld"` (default): `[B, H, L, D]`; `"blhd"`: `[B, L, H, D]`, a view. */
  readonly layout?: "bhld" | "blhd";
}

/** What these variants read of a checked call, and the keys that its mask leaves open. */
export interface Operands extends Pick<Call, "where" | "query" | "key" | "value" | "group" | "context" | "restore" | "unbatch"> {
  readonly reach: Reach;
}

/** @param names of the options that the variant has besides `LinearTimeOptions` */
export function operandsOf(
  where: string,
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: LinearTimeOptions,
  names: readonly string[],
): Operands {
  const { mask, queryOffset, layout } = options;
  refuseUnknown(where, options, ["mask", "queryOffset", "layout", ...names]);
  const call = prepare(where, query, key, value, {
    ...(mask === undefined ? {} : { mask }),
    ...(queryOffset === undefined ? {} : { queryOffset }),
    ...(layout === undefined ? {} : { layout }),
  });
  return { ...call, reach: reachOf(where, mask, call.context) };
}

/** Options of `attention` that make no sense here must not be passed over in silence. */
export function refuseUnknown(where: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const fix = /causal/i.test(unknown) ? "Pass mask: causal(), of @heed/masks." : `Its options: ${known.join(", ")}.`;
  throw new HeedError(where, `there is no option "${unknown}"`, {}, fix);
}
