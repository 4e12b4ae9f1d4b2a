import { ModuleBuilder } from "../assembler/index.ts";
import type { Build } from "../assembler/index.ts";
import { binary, realRow } from "../binary/rows.ts";
import { powBlock, tails } from "../building-blocks/index.ts";

export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  binary(m, "pow", 2, 2, realRow(m, "pow", tails(m), powBlock));
  return m.toBytes();
}
