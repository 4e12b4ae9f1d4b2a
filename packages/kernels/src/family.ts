import { withSharedMemory } from "./assembler/with-shared-memory.ts";
import { underClock } from "./clock.ts";
import { linearMemory } from "./memory/linear-memory.ts";
import { viewsOf, type Views } from "./memory/views.ts";
import { activeBuild, type Build } from "./settings.ts";
import { unpack, type Packed } from "./unpack.ts";
import { wideMode, type WideMode } from "./wide/wide-mode.ts";

export type { Build } from "./settings.ts";

/**
 * Bytes of a WebAssembly module for an unshared memory, in pages packed; or the module itself, where the engine compiles none at run
 * time.
 */
export type WasmSource = Uint8Array<ArrayBuffer> | Packed | WebAssembly.Module;

/**
 * Kernels that share one WebAssembly module. Every implementation has the same signatures (byte pointers into linear
 * memory, lengths, strides in elements), so they swap freely.
 */
export interface Family<K> {
  readonly name: string;
  /**
   * The kernels for that precision: the configured build for float32, the reference for float64. Fetch them anew in every operation: that waits
   * for what worker threads still do for the one before.
   */
  on(dtype: "float32" | "float64"): K;
  /** One implementation by name, for tests and benchmarks; `wide` is `relaxed` unless somebody asked for the wide mode. */
  implementation(which: "reference" | Build, dtype?: "float32" | "float64"): K;
}

/**
 * Declares a family. Nothing is assembled, compiled or allocated until its first use, so an unused family costs nothing.
 *
 * @param wasm gives the module of a build; it may import `env.memory` and nothing else
 * @param wasm.build for `wide` it may give nothing, or the same bytes as for `relaxed`: then that build runs in its place
 * @param reference gives the plain loops that define the kernels
 * @param agree whether wide kernels give the bits of the relaxed ones, tried before they run: the engine's flag is experimental
 */
export function defineFamily<K extends object>(
  name: string,
  wasm: (build: Build) => WasmSource | undefined,
  reference: (views: Views) => K,
  agree?: (wide: K, narrow: K) => boolean,
): Family<K> {
  return withReference(compiledFamily(name, wasm, agree), reference);
}

/**
 * A family without plain loops, for pages that cannot afford them. It has no float64, and nothing to run on engines without WebAssembly SIMD:
 * check that before using it.
 */
export function compiledFamily<K extends object>(
  name: string,
  wasm: (build: Build) => WasmSource | undefined,
  agree?: (wide: K, narrow: K) => boolean,
): Family<K> {
  const made: { relaxed?: K; simd?: K; wide?: K } = {};
  const wideOr = (narrow: K, mode: WideMode): K => {
    const source = wasm("wide");
    if (!(source instanceof Uint8Array) || isSame(source, wasm("relaxed")) || mode.obstacle() !== undefined) return narrow;
    const wide = instantiate<K>(compiled(source, mode.compile));
    if (agree === undefined || agree(wide, narrow)) return wide;
    mode.refuse(name);
    return narrow;
  };
  const implementation = (which: "reference" | Build): K => {
    if (which === "reference") throw new Error(`internal: ${name} has no plain loops here`);
    if (which !== "wide") return (made[which] ??= instantiate<K>(compiled(wasm(which)!)));
    const mode = wideMode();
    return mode === undefined ? implementation("relaxed") : (made.wide ??= wideOr(implementation("relaxed"), mode));
  };
  return family(name, implementation);
}

/** The same family, the same modules, and the plain loops besides. */
export function withReference<K extends object>(compiledOnly: Family<K>, reference: (views: Views) => K): Family<K> {
  const made: { float32?: K; float64?: K } = {};
  return family(compiledOnly.name, (which, dtype) =>
    which === "reference" ? (made[dtype] ??= reference(viewsOf(dtype))) : compiledOnly.implementation(which),
  );
}

function family<K extends object>(
  name: string,
  implementation: (which: "reference" | Build, dtype: "float32" | "float64") => K,
): Family<K> {
  return {
    name,
    on(dtype) {
      return underClock(name, implementation(dtype === "float64" ? "reference" : activeBuild(), dtype));
    },
    implementation: (which, dtype = "float32") => implementation(which, dtype),
  };
}

function isSame(bytes: Uint8Array, other: WasmSource | undefined): boolean {
  return other instanceof Uint8Array && bytes.length === other.length && bytes.every((byte, index) => byte === other[index]);
}

const modules = /* @__PURE__ */ new WeakMap<object, WebAssembly.Module>();

/** The module that kernels come from, which other threads can instantiate too; `undefined` for references. */
export function moduleOf(kernels: object): WebAssembly.Module | undefined {
  return modules.get(kernels);
}

function compiled(
  source: WasmSource,
  compile: (bytes: Uint8Array<ArrayBuffer>) => WebAssembly.Module = (bytes) => new WebAssembly.Module(bytes),
): WebAssembly.Module {
  if ("packed" in source) return compiled(unpack(source), compile);
  if (!(source instanceof Uint8Array)) return source;
  return compile(linearMemory().isShared ? withSharedMemory(source) : source);
}

function instantiate<K extends object>(module: WebAssembly.Module): K {
  const kernels = new WebAssembly.Instance(module, { env: { memory: linearMemory().wasm! } }).exports as K;
  modules.set(kernels, module);
  return kernels;
}
