const most = 2000;

/** Some of a result's numbers, spread over all of it: enough to tell a wrong one, few enough to send. */
export function spotsOf(result: ArrayLike<number>): number[] {
  if (result.length <= most) return Array.from(result);
  // A stride that has no factor in common with usual sizes visits all rows, columns and heads.
  const stride = Math.floor(result.length / most) | 1;
  return Array.from({ length: most }, (_, i) => result[i * stride]!);
}

/**
 * Whether two results are the same up to rounding, by the largest difference over the root of the mean square of the first.
 */
export function difference(expected: readonly number[], found: readonly number[]): number {
  if (expected.length !== found.length) return Infinity;
  const size = Math.sqrt(expected.reduce((sum, x) => sum + x * x, 0) / expected.length);
  return expected.reduce((largest, x, i) => {
    const away = Math.abs(x - found[i]!) / size;
    return away <= largest ? largest : away; // NaN counts as larger than anything.
  }, 0);
}
