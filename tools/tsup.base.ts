import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "tsup";

/**
 * What `tsup` does in every package and app: one ES module per entry of `exports`, and the package's WebAssembly.
 * Declarations come from `tsc -b`.
 */
const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as { exports: Record<string, { "@heed/source"?: string }> };

export default defineConfig({
  entry: Object.values(exports).flatMap((target) => target["@heed/source"] ?? []),
  format: "esm",
  target: "es2022",
  platform: "neutral",
  // Several entries share chunks; otherwise a class would exist twice, and `instanceof` would lie.
  splitting: true,
  sourcemap: true,
  dts: false,
  clean: ["!**/*.d.ts", "!**/*.d.ts.map", "!.tsbuildinfo"],
  // `#wasm/*` is resolved at run time, through `imports` of package.json.
  external: [/^#/, /^node:/],
  silent: true,
  async onSuccess() {
    if (globSync("src/*/generate.ts").length === 0) return;
    execFileSync("node", ["--conditions=@heed/source", fileURLToPath(new URL("./build-wasm.ts", import.meta.url))], { stdio: "inherit" });
  },
});
