import type { ProgressDisplay } from "../progress/progress.ts";
import type { StopFlag } from "../runner/stop-flag.ts";

/** Package managers hand a Ctrl-C on to their child, which has it from the terminal already: one key, two signals. */
const oneKeyMilliseconds = 400;

/**
 * The first SIGINT, SIGTERM or SIGHUP asks for a stop; a second one ends the process at once, but for SIGHUP: the terminal
 * may close because whoever started us went first.
 * @returns puts the handlers away
 */
export function onInterrupt(stop: StopFlag, display: ProgressDisplay): () => void {
  let first: number | undefined;
  const handle = (signal: NodeJS.Signals): void => {
    const now = performance.now();
    if (first === undefined) {
      first = now;
      stop.request();
      display.note("Stopping: the runs at work finish their step and write their checkpoints (again Ctrl-C ends at once).");
    } else if (signal !== "SIGHUP" && now - first > oneKeyMilliseconds) {
      process.exit(130);
    }
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, handle);
  return () => {
    for (const signal of signals) process.off(signal, handle);
  };
}
