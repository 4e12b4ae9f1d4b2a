import { activations, HeedError, ShapeError } from "@heed/kernels";
import { compute, packed } from "../core/compute.ts";
import { requireReal } from "../core/dtype.ts";
import { sizeOf } from "../core/shape.ts";
import { isRecording, noGrad, record } from "../core/tape.ts";
import { requireTensor, Tensor } from "../core/tensor.ts";
import { recordGelu } from "./gelu.ts";
import { aroundBand, bandOf, inBand } from "./internal/band.ts";
import { sameDType } from "./internal/parameters.ts";
import { arrangedColumns, runLinear } from "./internal/run-linear.ts";
import { product } from "./matmul.ts";
import { sum } from "./sum.ts";
import { reshape, transpose } from "./views.ts";
import { widened } from "./widened.ts";

export interface LinearOptions {
  /** What follows in the same pass: nothing (default), or `gelu`, exact or by tanh. */
  readonly activation?: keyof typeof activations;
}

/**
 * A linear layer over the last axis of x, `activation(x Wᵀ + bias)`. Bias and activation are part of the product: their results are not
 * written and read again.
 *
 * Letters: I features in, O features out.
 * @param x `[…, I]`
 * @param weight `[O, I]`
 * @param bias `[O]`, or none
 * @returns `[…, O]`
 * @throws {ShapeError} when I or O disagree; {DTypeError} when dtypes differ; {HeedError} for an unknown activation.
 *
 * Time O(… I O). With an activation, a gradient needs what it is applied to, which is kept besides. Where nothing learns, a resident weight is
 * kept a second time, in the order in which the kernel reads it, from the second call after a write on (at most 256 MiB of all weights).
 * @see PyTorch's `torch.nn.functional.linear`
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, { activation = "none" }: LinearOptions = {}): Tensor {
  requireTensor("linear", "x", x);
  requireTensor("linear", "weight", weight);
  if (x.rank === 0 || weight.rank !== 2 || x.shape.at(-1) !== weight.shape[1]) {
    throw new ShapeError("linear", "x [..., I] and weight [O, I] must share I", { x: x.shape, weight: weight.shape });
  }
  if (bias !== undefined) {
    requireTensor("linear", "bias", bias);
    if (bias.rank !== 1 || bias.shape[0] !== weight.shape[0]) {
      throw new ShapeError("linear", "weight [O, I] and bias [O] must share O", { weight: weight.shape, bias: bias.shape });
    }
  }
  if (!(activation in activations)) throw new HeedError("linear", `activation is ${Object.keys(activations).join(", ")}`, { activation });

  const [from, matrix, shift] = [widened(x), widened(weight), bias === undefined ? undefined : widened(bias)];
  const dtype = requireReal("linear", from.dtype);
  sameDType("linear", { x: from, weight: matrix, bias: shift });
  const [O, I] = weight.shape;
  const shape = [...x.shape.slice(0, -1), O];
  const m = sizeOf(x.shape.slice(0, -1));
  const inputs = shift === undefined ? [from, matrix] : [from, matrix, shift];
  const active = activation !== "none";
  // What the activation is applied to is written only for a gradient.
  const keeps = active && inputs.some(learns);
  const rows = asRows(from, m);
  const [out, before = out] = compute(
    "linear",
    [rows, matrix, ...(shift === undefined ? [] : [packed(shift)])],
    Array.from({ length: keeps ? 2 : 1 }, () => ({ shape, dtype })),
    ([atX, atW, atBias = 0], [to, kept = 0], scratch) => {
      if (m * O === 0) return;
      const [[rowX, columnX], [rowW, columnW]] = [rows.strides, matrix.strides];
      const factors = { m, n: O, k: I, a: atX, rowA: rowX, columnA: columnX, b: atW, rowB: columnW, columnB: rowW };
      const finish = { bias: atBias, activation: activations[activation], before: kept };
      runLinear(dtype, factors, finish, to, arrangedColumns(matrix, dtype, factors), scratch);
    },
  );
  record("linear", before, inputs, [from, matrix], (g, needs) => {
    const band = bandOf([g], x.rank - 1);
    const [part, read] = [inBand(g, band), inBand(from, band)];
    const g2 = matrixOf(part);
    return [
      needs[0] ? aroundBand(reshape(product("linear", g2, matrix, []), read.shape), x.shape, band) : undefined,
      needs[1] ? product("linear", transpose(g2), matrixOf(read), []) : undefined,
      ...(shift === undefined ? [] : [needs[2] ? sum(g2, 0) : undefined]),
    ];
  });
  return keeps ? recordGelu(out, before, activation === "geluTanh" ? "tanh" : "none") : out;
}

/** `[…, I]` as a matrix `[rows, I]`: a view where the strides allow it, else a copy. */
function matrixOf(x: Tensor): Tensor {
  const rows = x.shape.slice(0, -1);
  return reshape(x, [sizeOf(rows), x.shape[rows.length]]);
}

/** `matrixOf`, not recorded, m rows. */
function asRows(x: Tensor, m: number): Tensor {
  return x.isRowMajor ? new Tensor(x.storage, [m, x.shape.at(-1)!], undefined, x.offset) : noGrad(() => matrixOf(x));
}

const learns = (x: Tensor): boolean => isRecording() && x.requiresGrad;
