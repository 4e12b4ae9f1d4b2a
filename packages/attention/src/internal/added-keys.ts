import { broadcastTo, cast, concat, ones, Tensor, zeros } from "@heed/tensor";
import type { Bias, Mask, MaskForm, TermContext } from "@heed/tensor/terms";
import type { AttentionOptions } from "../options.ts";
import { lowerBits } from "./lower-bits.ts";

/**
 * Options of a call to which `count` keys are appended that every query may see, and that no bias moves: `bias_k` and `zero_attn` of PyTorch.
 * Masks and biases go on to be about the first S keys.
 */
export function withAddedKeys<O extends Pick<AttentionOptions, "mask" | "bias">>(options: O, count: number, S: number): O {
  const { mask, bias } = options;
  const list = bias === undefined ? [] : Array.isArray(bias) ? (bias as readonly (Bias | Tensor)[]) : [bias as Bias | Tensor];
  return {
    ...options,
    ...(mask === undefined ? {} : { mask: mask instanceof Tensor ? openBehind(mask, count, S) : maskOf(mask, count) }),
    ...(bias === undefined ? {} : { bias: list.map((one) => (one instanceof Tensor ? zeroBehind(one, count, S) : biasOf(one, count))) }),
  };
}

function maskOf(mask: Mask, count: number): Mask {
  const dense = (context: TermContext) => openBehind(mask.dense(without(context, count)), count, context.S - count);
  return {
    name: mask.name,
    dense,
    lower(context) {
      const form = mask.lower(without(context, count));
      return (form.form === "ranges" ? rangesBehind(form, context, count) : undefined) ?? lowerBits(dense(context), context);
    },
  };
}

/** The ranges of a mask and [S, S + count) behind; `undefined` where that makes three. */
function rangesBehind(
  { batches, heads, ranges, bounds }: MaskForm & { form: "ranges" },
  { S }: TermContext,
  count: number,
): MaskForm | undefined {
  const rows = bounds.length / (2 * ranges);
  const out = new Int32Array(rows * 4);
  for (let row = 0; row < rows; row++) {
    let to = 4 * row;
    for (let k = 0; k < ranges; k++) {
      const [low, high] = bounds.subarray(2 * (row * ranges + k), 2 * (row * ranges + k) + 2);
      if (low >= high) continue;
      out[to++] = low;
      out[to++] = high;
    }
    if (to > 4 * row && out[to - 1] === S - count) out[to - 1] = S;
    else if (to === 4 * row + 4) return undefined;
    else out.set([S - count, S], to);
  }
  return { form: "ranges", batches, heads, ranges: 2, bounds: out };
}

function biasOf(bias: Bias, count: number): Bias {
  const dense = (context: TermContext) => zeroBehind(bias.dense(without(context, count)), count, context.S - count);
  return { name: bias.name, dense, lower: (context) => ({ form: "dense", bias: dense(context) }) };
}

function openBehind(mask: Tensor, count: number, S: number): Tensor {
  return behind(mask, S, (shape) => cast(ones(shape), "bool"), count);
}

function zeroBehind(bias: Tensor, count: number, S: number): Tensor {
  return behind(bias, S, (shape) => zeros(shape, { dtype: bias.dtype as "float32" }), count);
}

function behind(x: Tensor, S: number, make: (shape: number[]) => Tensor, count: number): Tensor {
  const lead = x.shape.slice(0, -1);
  const whole = x.rank > 0 && x.shape.at(-1) === S ? x : broadcastTo(x, [...lead, S]);
  return concat([whole, make([...lead, count])], -1);
}

function without(context: TermContext, count: number): TermContext {
  return { ...context, S: context.S - count };
}
