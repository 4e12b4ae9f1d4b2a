import { linearMemory, ShapeError } from "@heed/kernels";
import { computeOne } from "../core/compute.ts";
import { tensor } from "../core/construct.ts";
import { bytesPer, viewOf } from "../core/dtype.ts";
import { narrowBrain, narrowHalf } from "../core/half.ts";
import { rowMajor } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { copy } from "./copy.ts";
import { indexSelect } from "./index-select.ts";
import { slice } from "./views.ts";

export interface PadOptions {
  /**
   * What the new elements are. `constant` (default): `value`. `reflect`: the axis mirrored at its edge, which is not repeated.
   * `replicate`: the edge. `circular`: the axis from its other end.
   */
  readonly mode?: "constant" | "reflect" | "replicate" | "circular";
  /** Of constant padding. Default 0. */
  readonly value?: number;
}

/**
 * Makes axes longer at their ends; a negative number crops.
 *
 * @param pads `[before, after]` for every axis
 * @throws {ShapeError} when there is not one pair of integers per axis, more is cropped than there is, or a mode has too few
 * elements to take from: `reflect` needs one more than it pads, `circular` as many, `replicate` one.
 *
 * Time O(size of the result).
 * @see PyTorch's `torch.nn.functional.pad`
 */
export function pad(x: Tensor, pads: readonly (readonly [number, number])[], { mode = "constant", value = 0 }: PadOptions = {}): Tensor {
  requireTensor("pad", "x", x);
  if (pads.length !== x.rank || !pads.every((pair) => pair.length === 2 && pair.every(Number.isInteger))) {
    throw new ShapeError("pad", "pads must be one [before, after] pair of integers per axis", { pads, shape: x.shape });
  }
  if (pads.some(([before, after], axis) => x.shape[axis] + Math.min(before, 0) + Math.min(after, 0) < 0)) {
    throw new ShapeError("pad", "cannot crop more than there is", { pads, shape: x.shape });
  }
  if (mode === "constant") {
    let inside = x;
    pads.forEach(([before, after], axis) => {
      if (before < 0 || after < 0) inside = slice(inside, axis, Math.max(0, -before), x.shape[axis] + Math.min(0, after));
    });
    const positive = pads.map(([before, after]): [number, number] => [Math.max(0, before), Math.max(0, after)]);
    return positive.every(([before, after]) => before + after === 0) ? inside : surround(inside, positive, value);
  }
  const sourceOf = sources[mode];
  if (sourceOf === undefined) throw new ShapeError("pad", "mode must be constant, reflect, replicate or circular", { mode });
  let out = x;
  pads.forEach(([before, after], axis) => {
    if (before === 0 && after === 0) return;
    const n = x.shape[axis];
    const most = Math.max(before, after);
    if (most > 0 && (n === 0 || (mode === "reflect" && most >= n) || (mode === "circular" && most > n))) {
      throw new ShapeError(
        "pad",
        `mode ${mode} has too few elements to take from on axis ${axis}`,
        { pads, shape: x.shape },
        'Pad less, or use mode: "replicate".',
      );
    }
    const places = Int32Array.from({ length: Math.max(0, before + n + after) }, (_, i) => sourceOf(i - before, n));
    out = indexSelect(out, tensor(places), axis);
  });
  return out;
}

/** Which element of an axis of length n stands at position i, from −n to 2n. */
const sources: Readonly<Record<string, (i: number, n: number) => number>> = {
  reflect: (i, n) => (i < 0 ? -i : i < n ? i : 2 * (n - 1) - i),
  replicate: (i, n) => Math.min(Math.max(i, 0), n - 1),
  circular: (i, n) => (i + n) % n,
};

function surround(x: Tensor, pads: readonly (readonly [number, number])[], value: number): Tensor {
  const { dtype } = x;
  const shape = x.shape.map((length, axis) => length + pads[axis][0] + pads[axis][1]);
  const strides = rowMajor(shape);
  const start = strides.reduce((sum, stride, axis) => sum + stride * pads[axis][0], 0);
  const out = computeOne("pad", [x], shape, dtype, ([read], write) => {
    const bits = dtype === "float16" ? narrowHalf(value) : dtype === "bfloat16" ? narrowBrain(value) : value;
    viewOf(
      dtype,
      linearMemory().buffer,
      write,
      shape.reduce((size, length) => size * length, 1),
    ).fill(bits);
    copy(dtype, x.shape, read, x.strides, write + start * bytesPer(dtype), strides);
  });
  const lengths = x.shape;
  return record("pad", out, [x], [], (g) => {
    let inside = g;
    lengths.forEach((length, axis) => (inside = slice(inside, axis, pads[axis][0], pads[axis][0] + length)));
    return [inside];
  });
}
