import type { Job } from "./job.ts";

/** What a job says of a probability of dropout: as the words of a key are compared, so `dropout` of tensors does. */
export function dropoutFields(p: number): Partial<Job> {
  const kept = Math.round((1 - p) * 2 ** 32);
  // So near to 1 that nothing is kept: then all is, times 0.
  return { dropout: 1, dropoutLimit: kept - 1, dropoutFactor: kept === 0 ? 0 : 1 / (1 - p) };
}
