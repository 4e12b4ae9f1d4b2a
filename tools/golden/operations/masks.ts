import * as masks from "@heed/masks";
import type { DrawableMask } from "@heed/masks";
import { Pending, type Given, type Operation, type Operations } from "../operation.ts";

interface MaskOptions {
  kind: string;
  lq?: number;
  lk?: number;
  align?: "top_left" | "bottom_right";
  left?: number;
  right?: number;
}

const mask: Operation<MaskOptions> = (given, options) => {
  const { inputs, expected } = given;
  const [L, S] = expected.mask?.shape.slice(-2) ?? [0, 0];
  const made = maskOf(given, options);
  const queryOffset = options.align === "bottom_right" ? S! - L! : 0;
  const B = (inputs.lengths ?? inputs.k_segments)?.shape[0] ?? Math.max(...Object.values(inputs).map(({ shape }) => shape.at(-4) ?? 1), 1);
  const H = Math.max(...Object.values(inputs).map(({ shape }) => shape.at(-3) ?? 1), 1);
  return { mask: made.toTensor(L!, S!, { queryOffset, B, H }) };
};

function maskOf(
  { inputs: { lengths, a, b, k_segments: keys, q_segments: queries } }: Given,
  { kind, left, right }: MaskOptions,
): DrawableMask {
  switch (kind) {
    case "causal":
      return masks.causal();
    case "window":
      return masks.window(left!, right!);
    case "padding":
      return masks.padding(lengths!.toTypedArray());
    case "segments":
      return masks.document(keys!.toArray() as number[][], queries!.toArray() as number[][]);
    case "and":
      return masks.and(masks.fromTensor(a!), masks.fromTensor(b!));
    case "or":
      return masks.or(masks.fromTensor(a!), masks.fromTensor(b!));
    default:
      throw new Pending(`${kind} is not there yet`);
  }
}

/** Every `op` of the folder `masks`. */
export const maskOperations: Operations = { mask: mask as Operation };
