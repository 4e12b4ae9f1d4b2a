import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { buildWasm } from "./build-wasm.ts";

const wasmImports = {
  "@heed/source": "./src/*/generate.ts",
  workerd: "./dist/wasm/*.workerd.js",
  node: "./dist/wasm/*.node.js",
  default: "./dist/wasm/*.js",
};
// An empty module; the other builds carry one or two custom sections more, so that all differ.
const generate = `
const header = [0, 97, 115, 109, 1, 0, 0, 0];
const section = [0, 2, 1, 120];
export const wasm = (build: string) =>
  new Uint8Array([...header, ...(build === "relaxed" ? [] : section), ...(build === "wide" ? section : [])]);
`;
const print = `
  import { wasm } from "#wasm/tiny";
  console.log(JSON.stringify(["relaxed", "simd", "wide"].map((build) => wasm(build)?.length ?? null)));
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "heed-wasm-"));
  mkdirSync(join(folder, "src/tiny"), { recursive: true });
  writeFileSync(join(folder, "src/tiny/generate.ts"), generate);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "x", type: "module", imports: { "#wasm/*": wasmImports } }));
});
afterEach(() => rmSync(folder, { recursive: true }));

it("writes a module whose wasm(build) gives the generator's bytes, resolved through #wasm/*", async () => {
  expect(await buildWasm(folder)).toEqual(["tiny"]);
  writeFileSync(join(folder, "main.js"), print);
  const output = execFileSync(process.execPath, [join(folder, "main.js")], { encoding: "utf8", env: { ...process.env, NODE_OPTIONS: "" } });
  expect(JSON.parse(output)).toEqual([8, 12, 16]);
});

it("keeps the wide build out of what browsers load, and gives none where it is the relaxed one", async () => {
  mkdirSync(join(folder, "src/narrow"));
  writeFileSync(join(folder, "src/narrow/generate.ts"), generate.replace('build === "wide"', "false").replace('"relaxed"', '"simd"'));
  await buildWasm(folder);
  const { wasm } = await import(join(folder, "dist/wasm/tiny.js"));
  expect(["relaxed", "simd", "wide"].map((build) => wasm(build)?.length)).toEqual([8, 12, undefined]);
  expect((await import(join(folder, "dist/wasm/narrow.node.js"))).wasm("wide")).toBeUndefined();
});

it("writes the bytes beside it, for engines that compile none at run time", async () => {
  await buildWasm(folder);
  expect(readFileSync(join(folder, "dist/wasm/tiny.simd.wasm")).length).toBe(12);
  expect(readFileSync(join(folder, "dist/wasm/tiny.workerd.js"), "utf8")).toContain('from "./tiny.relaxed.wasm"');
});

it("leaves out a generator without wasm(build), such as shared code", async () => {
  mkdirSync(join(folder, "src/shared"));
  writeFileSync(join(folder, "src/shared/generate.ts"), "export const part = 1;\n");
  expect(await buildWasm(folder)).toEqual(["tiny"]);
});

it("refuses a package whose imports do not lead to the files", async () => {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "x", type: "module" }));
  await expect(buildWasm(folder)).rejects.toThrow('needs "imports"');
});
