import { withSharedMemory } from "./assembler/with-shared-memory.ts";
import { activeBuild, type Build } from "./configure.ts";
import { linearMemory } from "./memory/linear-memory.ts";
import { viewsOf, type Views } from "./memory/views.ts";
import { isProfiling, timed } from "./profile.ts";

export type { Build } from "./configure.ts";

/** Bytes of a WebAssembly module for an unshared memory; or the module itself, where the engine compiles none at run time. */
export type WasmSource = Uint8Array<ArrayBuffer> | WebAssembly.Module;

/**
 * Kernels that share one WebAssembly module. Every implementation has the same signatures (byte pointers into linear
 * memory, lengths, strides in elements), so they swap freely.
 */
export interface Family<K> {
  readonly name: string;
  /** The kernels for that precision: the configured build for float32, the reference for float64. */
  on(dtype: "float32" | "float64"): K;
  /** One implementation by name, for tests and benchmarks. */
  implementation(which: "reference" | Build, dtype?: "float32" | "float64"): K;
}

/**
 * Declares a family. Nothing is assembled, compiled or allocated until its first use, so an unused family costs nothing.
 *
 * @param wasm gives the module of a build; it may import `env.memory` and nothing else
 * @param reference gives the plain loops that define the kernels
 */
export function defineFamily<K extends object>(
  name: string,
  wasm: (build: Build) => WasmSource,
  reference: (views: Views) => K,
): Family<K> {
  const made: { relaxed?: K; simd?: K; wide?: K; reference?: K; reference64?: K } = {};
  const family: Family<K> = {
    name,
    on(dtype) {
      const kernels = dtype === "float64" ? family.implementation("reference", "float64") : family.implementation(activeBuild());
      return isProfiling() ? timed(name, kernels) : kernels;
    },
    implementation(which, dtype = "float32") {
      if (which !== "reference") return (made[which] ??= instantiate<K>(wasm(which)));
      return dtype === "float64"
        ? (made.reference64 ??= reference(viewsOf("float64")))
        : (made.reference ??= reference(viewsOf("float32")));
    },
  };
  return family;
}

function instantiate<K>(source: WasmSource): K {
  const { wasm, isShared } = linearMemory();
  const module = source instanceof Uint8Array ? new WebAssembly.Module(isShared ? withSharedMemory(source) : source) : source;
  return new WebAssembly.Instance(module, { env: { memory: wasm! } }).exports as K;
}
