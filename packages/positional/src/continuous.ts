import {
  add,
  concat,
  HeedError,
  indexSelect,
  mul,
  normal,
  reshape,
  ShapeError,
  slice,
  tanh,
  tensor,
  zeros,
  type RandomKey,
  type Tensor,
} from "@heed/tensor";
import { Linear, Module, Parameter } from "@heed/nn";
import { requireCounts, requireWidth } from "./internal/require.ts";
import { rungeKutta4 } from "./runge-kutta4.ts";

export interface ContinuousOptions {
  readonly key: RandomKey;
  /** Width inside the dynamics. Default the width of a position. */
  readonly hiddenDim?: number;
  /** Time from one position to the next. Default 0.1. */
  readonly interval?: number;
  /** Solver steps from one position to the next. Default 1. */
  readonly steps?: number;
}

/**
 * FLOATER: positions as a flow. p(t) = p(0) + ∫₀ᵗ h(τ, p(τ)) dτ is added to the input, where the element at position n stands at t = n · interval and h
 * is learned: h(τ, p) = outer(tanh(inner(p) + τ · time)). Any length will do, and places between positions; few parameters, however long.
 *
 * Parameters: `start` `[width]` = p(0), `inner` (width → hiddenDim), `time` `[hiddenDim]`, `outer` (hiddenDim → width).
 *
 * Letters: L length; `[…, L, width]` → the same, nothing added where L = 0. Time O(L · steps · width · hiddenDim), one position after the other.
 * @throws {ShapeError} unless width, hiddenDim and steps are whole numbers from 1 on; {HeedError} for an interval that is not above 0.
 * @see Liu, Yu, Dhillon, Hsieh 2020 (arXiv:2003.09229), eq. 5
 */
export class ContinuousPositions extends Module {
  readonly start: Parameter;
  readonly inner: Linear;
  readonly time: Parameter;
  readonly outer: Linear;
  readonly interval: number;
  readonly steps: number;

  constructor(width: number, { key, hiddenDim = width, interval = 0.1, steps = 1 }: ContinuousOptions) {
    super();
    requireCounts("ContinuousPositions", { width, hiddenDim, steps });
    if (!(interval > 0 && Number.isFinite(interval)))
      throw new HeedError("ContinuousPositions", "interval must be above 0 and finite", { interval });
    this.start = new Parameter(normal(key.split("start"), [width], { deviation: 0.02 }));
    this.inner = new Linear(width, hiddenDim, { key: key.split("inner") });
    this.time = new Parameter(zeros([hiddenDim]));
    this.outer = new Linear(hiddenDim, width, { key: key.split("outer") });
    this.interval = interval;
    this.steps = steps;
  }

  /**
   * @param x `[…, L, width]`
   * @param positions where the elements stand, `[L]`, from 0 on, not necessarily whole or in order; default 0, 1, 2 …
   * @throws {ShapeError} when the width is another, or there are not L positions; {HeedError} for a position below 0.
   *
   * 4 evaluations of h per step, one after the other; their memory stays until the gradient is taken.
   */
  forward(x: Tensor, positions?: ArrayLike<number>): Tensor {
    requireWidth("ContinuousPositions", x, this.start.size);
    const L = x.shape.at(-2)!;
    if (positions !== undefined && positions.length !== L)
      throw new ShapeError("ContinuousPositions", "there must be one position per element", { x: x.shape, positions: positions.length });
    return L === 0 ? x : add(x, this.encodings(positions ?? Array.from({ length: L }, (_, n) => n)));
  }

  /** What `forward` adds: the flow at each position, `[positions, width]`. */
  encodings(positions: ArrayLike<number>): Tensor {
    const all = Array.from(positions);
    for (const [n, position] of all.entries()) {
      if (!(position >= 0 && Number.isFinite(position)))
        throw new HeedError("ContinuousPositions", "positions must be finite, from 0 on", { [`positions[${n}]`]: position });
    }
    const dynamics = (time: number, state: Tensor) => this.outer.forward(tanh(add(this.inner.forward(state), mul(this.time, time))));
    const flow = (from: Tensor, stops: readonly number[]) =>
      rungeKutta4(
        dynamics,
        from,
        stops.map((position) => position * this.interval),
        { steps: this.steps },
      );
    const width = this.start.size;
    const last = Math.floor(all.reduce((most, position) => Math.max(most, position), 0));
    const whole = flow(
      reshape(this.start, [1, width]),
      Array.from({ length: last + 1 }, (_, n) => n),
    ); // [last + 1, 1, width]
    // Places between positions branch off, so that none depends on which others are asked for.
    const between = [...new Set(all.filter((position) => !Number.isInteger(position)))];
    const branches = between.map((position) => {
      const before = Math.floor(position);
      return slice(flow(reshape(slice(whole, 0, before, before + 1), [1, width]), [before, position]), 0, 1);
    });
    const flat = reshape(concat([whole, ...branches], 0), [last + 1 + between.length, width]);
    const branchOf = new Map(between.map((position, n) => [position, last + 1 + n]));
    return indexSelect(flat, tensor(Int32Array.from(all, (position) => branchOf.get(position) ?? position)), 0);
  }
}
