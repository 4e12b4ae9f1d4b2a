import { add, mul, stack, HeedError, type Tensor } from "@heed/tensor";
import { requireCounts } from "./internal/require.ts";

/**
 * Solves the differential equation dy / dt = derivative(t, y) from y(times[0]) = start, by the classical Runge–Kutta method of order 4 in equal
 * steps. Made of ordinary operations: gradients reach the start and whatever the derivative learns.
 *
 * Letters: T times.
 * @param derivative a function of the time and the state, with results of the state's shape
 * @param times where the solution is wanted, ascending or descending; the first is where `start` is
 * @param options.steps how many steps between two times. Default 1; halving the step divides the error by about 16
 * @returns `[T, …state]`; the first row is `start`
 * @throws {HeedError} without times, for times that are not finite, or steps that are no whole number from 1 on.
 *
 * Time O(steps · T) evaluations of the derivative, four a step, one after the other; with gradients each stays recorded.
 * @see Kutta 1901; Chen et al. 2018 (neural ODEs, arXiv:1806.07366)
 */
export function rungeKutta4(
  derivative: (time: number, state: Tensor) => Tensor,
  start: Tensor,
  times: readonly number[],
  { steps = 1 }: { readonly steps?: number } = {},
): Tensor {
  requireCounts("rungeKutta4", { steps });
  if (times.length === 0) throw new HeedError("rungeKutta4", "there must be a time", { times: times.length });
  const bad = times.findIndex((time) => !Number.isFinite(time));
  if (bad >= 0) throw new HeedError("rungeKutta4", "times must be finite", { [`times[${bad}]`]: times[bad] });
  const states = [start];
  let state = start;
  for (let n = 1; n < times.length; n++) {
    const step = (times[n] - times[n - 1]) / steps;
    for (let k = 0; k < steps; k++) {
      const time = times[n - 1] + k * step;
      const k1 = derivative(time, state);
      const k2 = derivative(time + step / 2, add(state, mul(k1, step / 2)));
      const k3 = derivative(time + step / 2, add(state, mul(k2, step / 2)));
      const k4 = derivative(time + step, add(state, mul(k3, step)));
      state = add(state, mul(add(add(k1, k4), mul(add(k2, k3), 2)), step / 6));
    }
    states.push(state);
  }
  return stack(states, 0);
}
