import * as masks from "@heed/masks";
import type { DrawableMask } from "@heed/masks";
import type { Tensor } from "@heed/tensor";
import { Pending, type Given, type Operation, type Operations } from "../operation.ts";

interface MaskOptions {
  kind: string;
  align?: "top_left" | "bottom_right";
  left?: number;
  right?: number;
  radius?: number;
  dilation?: number;
  stride?: number;
  block?: number;
  summary?: number;
  tokens?: number[];
}

const mask: Operation<MaskOptions> = (given, options): Record<string, Tensor> => {
  const { inputs, expected } = given;
  const [L, S] = (expected.mask ?? expected.bias)!.shape.slice(-2) as [number, number];
  const made = maskOf(given, options);
  const queryOffset = options.align === "bottom_right" ? S - L : 0;
  const { lengths, k_segments: segments, prefix } = inputs;
  const all = Object.values(inputs);
  const B = (lengths ?? segments ?? prefix)?.shape[0] ?? Math.max(...all.map(({ shape }) => shape.at(-4) ?? 1), 1);
  const H = Math.max(...all.map(({ shape }) => shape.at(-3) ?? 1), 1);
  const at = { queryOffset, B, H };
  if (options.kind === "to_bias") return { bias: made.toBias(L, S, at) };
  return { mask: made.toTensor(L, S, at) };
};

function maskOf(
  { inputs: { lengths, a, b, k_segments: keys, q_segments: queries, prefix, layout } }: Given,
  { kind, left, right, radius, dilation, stride, block, summary, tokens }: MaskOptions,
): DrawableMask {
  switch (kind) {
    case "causal":
      return masks.causal();
    case "window":
      return masks.window(left!, right!);
    case "dilated":
      return masks.dilated(radius!, dilation!);
    case "padding":
      return masks.padding(lengths!);
    case "segments":
      return masks.document(keys!.toArray() as number[][], queries!.toArray() as number[][]);
    case "prefix":
      return masks.prefix(prefix!);
    case "strided":
      return masks.strided(stride!);
    case "fixed":
      return masks.fixed(block!, summary!);
    case "global_local":
      return masks.or(masks.window(radius!, radius!), masks.globalTokens(tokens!));
    case "blocks":
      return masks.blocks(layout!, block!);
    case "and":
      return masks.and(masks.fromTensor(a!), masks.fromTensor(b!));
    case "or":
      return masks.or(masks.fromTensor(a!), masks.fromTensor(b!));
    case "to_bias":
      return masks.fromTensor(a!);
    default:
      throw new Pending(`${kind} is not there yet`);
  }
}

/** Every `op` of the folder `masks`. */
export const maskOperations: Operations = { mask: mask as Operation };
