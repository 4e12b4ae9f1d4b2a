/** What the engine is told while it compiles a wide module, and then no more: other modules of the process are none of our business. */
const REVECTORIZE = ["--experimental-wasm-revectorize", "--no-experimental-wasm-revectorize"] as const;
/** At once and with the optimizing compiler, since functions are else compiled when they are called, under the flags of that moment. */
const AT_ONCE = [
  ["--no-liftoff", "--liftoff"],
  ["--no-wasm-lazy-compilation", "--wasm-lazy-compilation"],
  // Inlining wants to know how often the first compiler's code was called, and Node 26 aborts where there is none.
  ["--no-wasm-inlining", "--wasm-inlining"],
] as const;
/** Versions of Node with which this was tried: a flag that an engine takes amiss may end the process. */
const [OLDEST, NEWEST] = [24, 26] as const;

interface EngineFlags {
  setFlagsFromString(flag: string): void;
}

interface NodeProcess {
  readonly versions?: Readonly<Record<string, string | undefined>>;
  getBuiltinModule?(name: string): unknown;
}

/** The flags of V8 in Node 24 to 26; `undefined` elsewhere. Not an import: bundlers would look for it. */
export function engineFlags(): EngineFlags | undefined {
  const { process } = globalThis as { process?: NodeProcess };
  const versions = process?.versions;
  const isNode = versions?.node !== undefined && versions.bun === undefined && versions.deno === undefined;
  const major = isNode ? parseInt(versions.node!) : 0;
  if (!(major >= OLDEST && major <= NEWEST)) return undefined;
  return process!.getBuiltinModule?.("node:v8") as EngineFlags | undefined;
}

/**
 * Compiles a module at once, by the optimizing compiler, pairs of 128-bit vectors becoming vectors of 256 bits where its code allows.
 * @param isPaired false: without the pairs, to compare with
 */
export function compileWide(bytes: Uint8Array<ArrayBuffer>, isPaired = true): WebAssembly.Module {
  const engine = engineFlags()!;
  const flags = isPaired ? [REVECTORIZE, ...AT_ONCE] : AT_ONCE;
  for (const [on] of flags) engine.setFlagsFromString(on);
  try {
    return new WebAssembly.Module(bytes);
  } finally {
    for (const [, off] of flags) engine.setFlagsFromString(off);
  }
}
