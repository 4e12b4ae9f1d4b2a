/** Seconds of one call: the least of many batches of at least a millisecond, so that a busy machine disturbs little. */
export function secondsOf(work: () => void): number {
  let repeats = 1;
  for (;;) {
    const seconds = timed(work, repeats);
    if (seconds > 1e-3) break;
    repeats = Math.max(repeats + 1, Math.ceil((repeats * 1.5e-3) / Math.max(seconds, 1e-7)));
  }
  let least = Infinity;
  for (const end = performance.now() + 300; performance.now() < end;) least = Math.min(least, timed(work, repeats));
  return least / repeats;
}

function timed(work: () => void, repeats: number): number {
  const start = performance.now();
  for (let i = 0; i < repeats; i++) work();
  return (performance.now() - start) / 1000;
}

/** Prints one line: what, microseconds, and a rate such as GB/s from the bytes (or GFLOP/s from the operations) of a call. */
export function report(what: string, seconds: number, amount: number, unit: "GB/s" | "GFLOP/s"): void {
  console.log(`${what.padEnd(58)} ${(seconds * 1e6).toFixed(1).padStart(9)} µs ${(amount / seconds / 1e9).toFixed(1).padStart(7)} ${unit}`);
}
