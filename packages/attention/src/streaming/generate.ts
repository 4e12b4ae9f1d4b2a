import { ModuleBuilder, type Build } from "@heed/kernels/assembler";

/** The WebAssembly of streaming attention, forward. In the making: it has no kernels yet. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  return new ModuleBuilder(build).toBytes();
}
