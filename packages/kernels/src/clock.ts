type Clock = <K extends object>(family: string, kernels: K) => K;

let clock: Clock | undefined;

/** What `profileKernels` puts around kernels while it is open: a page that never profiles does not carry it. */
export function setClock(given: Clock | undefined): void {
  clock = given;
}

/** The kernels, with the clock around them if there is one. */
export function underClock<K extends object>(family: string, kernels: K): K {
  return clock === undefined ? kernels : clock(family, kernels);
}
