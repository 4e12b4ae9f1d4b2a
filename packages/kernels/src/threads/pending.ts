// Work that workers still do while the calling thread goes on. JavaScript between two kernels (shapes, checks, addresses) costs some 10 to
// 50 µs, in which workers would have nothing to do. So a job may linger until somebody needs to know: whoever asks for kernels or for the
// buffer of linear memory waits for it. Allocating and freeing do not: they only keep books.

let pending: (() => void) | undefined;

/** Leaves begun work to the workers; `finish` helps with what is left of it, and returns when all is done. */
export function linger(finish: () => void): void {
  pending = finish;
}

/** Ends what lingers, if anything does. */
export function settlePending(): void {
  const finish = pending;
  pending = undefined;
  finish?.();
}
