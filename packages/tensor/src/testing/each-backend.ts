import { configuration, configure, features, type Build } from "@heed/kernels";

/** One implementation of the float32 kernels. */
export interface Backend {
  readonly name: "reference" | Build;
  /** Runs `fn` with float32 on this implementation, then puts the configuration back. Synchronous. */
  use<T>(fn: () => T): T;
}

/**
 * The implementations that this engine has, for suites that must hold on all of them.
 * @example describe.each(eachBackend())("on $name", ({ use }) => it("…", () => use(() => …)));
 */
export function eachBackend(): Backend[] {
  const { simd, relaxedSimd } = features();
  const names = ["reference", ...(simd ? ["simd" as const] : []), ...(relaxedSimd ? ["relaxed" as const] : [])] as const;
  return names.map((name) => ({
    name,
    use(fn) {
      const { precision, backend } = configuration();
      configure({ precision: "fast", backend: name });
      try {
        return fn();
      } finally {
        configure({ precision, backend });
      }
    },
  }));
}
