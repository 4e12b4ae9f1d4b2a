type Clock = <K extends object>(family: string, kernels: K) => K;

let clock: Clock | undefined;
let gate: Clock | undefined;

/** What `profileKernels` puts around kernels while it is open: a page that never profiles does not carry it. */
export function setClock(given: Clock | undefined): void {
  clock = given ?? gate;
}

/** From now on `before` runs before anybody gets kernels, unless a clock runs. */
export function setGate(before: () => void): void {
  gate = (_, kernels) => {
    before();
    return kernels;
  };
  clock ??= gate;
}

/** The kernels, with the clock around them if there is one. */
export function underClock<K extends object>(family: string, kernels: K): K {
  return clock === undefined ? kernels : clock(family, kernels);
}
