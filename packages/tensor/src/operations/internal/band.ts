import { isRecording } from "../../core/tape.ts";
import type { Band, Tensor } from "../../core/tensor.ts";
import type { Shape } from "../../core/shape.ts";
import { sliceGradient } from "../slice-gradient.ts";
import { slice } from "../views.ts";

// The gradient of a slice is zero but in a band. An operation that works row by row hands such a band on, and need not
// visit the other rows: a class token's gradient passes a layer of n tokens in 1/n of the time.

/**
 * The band outside of which all these cotangents are zero, if it lies along one of the first `rows` axes and is at most half of it: cutting
 * out more costs what it saves. None where the walk is recorded: second derivatives take the general way.
 */
export function bandOf(cotangents: readonly (Tensor | undefined)[], rows: number): Band | undefined {
  const given = cotangents.filter((each) => each !== undefined);
  const [{ band, shape }] = given;
  if (band === undefined) return undefined;
  const [axis, , count] = band;
  if (axis >= rows || 2 * count > shape[axis]) return undefined;
  return isRecording() || given.some((each) => each.band !== band) ? undefined : band;
}

/** The part of `x` in the band; all of it without one. A view. */
export function inBand(x: Tensor, band: Band | undefined): Tensor {
  if (band === undefined) return x;
  const [axis, first, count] = band;
  return slice(x, axis, first, first + count);
}

/** What a rule found in the band, with zeros around it: a gradient of `shape` with the same band. */
export function aroundBand(found: Tensor, shape: Shape, band: Band | undefined): Tensor {
  if (band === undefined) return found;
  const [axis, first] = band;
  const whole = sliceGradient(found, shape, axis, first, 1);
  whole.band = band;
  return whole;
}
