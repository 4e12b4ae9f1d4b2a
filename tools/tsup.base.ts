import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "esbuild";
import { defineConfig } from "tsup";
import { mergeChunks } from "./merge-chunks.ts";
import { exportOf } from "./wasm-name.ts";

/**
 * What `tsup` does in every package and app: one ES module per entry of `exports`, and the package's WebAssembly.
 * Declarations come from `tsc -b`.
 */
const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as { exports: Record<string, { "@heed/source"?: string }> };

/** Sources import a family's generator, `#wasm/<family>`; what is built takes its function from the one module for all. */
const wasmOfFamilies: Plugin = {
  name: "wasm-of-families",
  setup(build) {
    build.onResolve({ filter: /^#wasm\/./ }, ({ path }) => ({ path: path.slice("#wasm/".length), namespace: "wasm", sideEffects: false }));
    build.onLoad({ filter: /.*/, namespace: "wasm" }, ({ path }) => ({
      contents: `export { ${exportOf(path)} as wasm } from "#wasm";`,
      resolveDir: process.cwd(),
    }));
  },
};

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
  // `#wasm` is resolved at run time, through `imports` of package.json.
  external: [/^#wasm$/, /^node:/],
  esbuildPlugins: [wasmOfFamilies],
  silent: true,
  async onSuccess() {
    await mergeChunks(join(process.cwd(), "dist"));
    if (globSync("src/*/generate.ts").length === 0) return;
    execFileSync("node", ["--conditions=@heed/source", fileURLToPath(new URL("./build-wasm.ts", import.meta.url))], { stdio: "inherit" });
  },
});
