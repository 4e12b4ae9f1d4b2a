/** Milliseconds at one length. */
export interface Times {
  readonly length: number;
  readonly ours: number;
  readonly exact: number;
}

/**
 * The length from which ours stays the faster, between two measured ones by a straight line of log ratio over log length; the first length
 * where ours always is; `undefined` where it is slower at the last.
 */
export function crossing(times: readonly Times[]): number | undefined {
  const ratio = ({ ours, exact }: Times) => Math.log(ours / exact);
  let first = times.length;
  while (first > 0 && ratio(times[first - 1]!) <= 0) first--;
  if (first === times.length) return undefined;
  if (first === 0) return times[0]!.length;
  const [before, after] = [times[first - 1]!, times[first]!];
  const part = ratio(before) / (ratio(before) - ratio(after));
  return Math.exp(Math.log(before.length) + part * (Math.log(after.length) - Math.log(before.length)));
}
