const most = 2000;

/** Some of a result's numbers, spread over all of it: enough to tell a wrong one, few enough to send. */
export function spotsOf(result: ArrayLike<number>): number[] {
  if (result.length <= most) return Array.from(result);
  // An odd stride has little in common with usual sizes, so it visits all rows, columns and heads.
  const stride = (Math.floor(result.length / most) - 1) | 1;
  return Array.from({ length: most }, (_, i) => result[i * stride]!);
}

/** The largest difference of two results over the root of the mean square of the first; NaN where either has one. */
export function difference(expected: readonly number[], found: readonly number[]): number {
  if (expected.length !== found.length) return Infinity;
  const size = Math.sqrt(expected.reduce((sum, x) => sum + x * x, 0) / expected.length);
  return Math.max(...expected.map((x, i) => Math.abs(x - found[i]!))) / size;
}
