import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { unpack, type Packed } from "../packages/kernels/src/unpack.ts";
import { buildWasm } from "./build-wasm.ts";

const imports = {
  "#wasm": { workerd: "./dist/wasm/workerd.js", node: "./dist/wasm/node.js", default: "./dist/wasm/pages.js" },
  "#wasm/*": { "@heed/source": "./src/*/generate.ts" },
};
// An empty module; the other builds carry one or two custom sections more, so that all differ.
const generate = `
const header = [0, 97, 115, 109, 1, 0, 0, 0];
const section = [0, 2, 1, 120];
export const wasm = (build: string) =>
  new Uint8Array([...header, ...(build === "relaxed" ? [] : section), ...(build === "wide" ? section : [])]);
`;
const print = `
  import { tinyOne } from "#wasm";
  console.log(JSON.stringify(["relaxed", "simd", "wide"].map((build) => tinyOne(build)?.length ?? null)));
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "heed-wasm-"));
  mkdirSync(join(folder, "src/tiny-one"), { recursive: true });
  writeFileSync(join(folder, "src/tiny-one/generate.ts"), generate);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "x", type: "module", imports }));
});
afterEach(() => rmSync(folder, { recursive: true }));

it("writes a module whose functions give the generators' bytes, resolved through #wasm", async () => {
  expect(await buildWasm(folder)).toEqual(["tiny-one"]);
  writeFileSync(join(folder, "main.js"), print);
  const output = execFileSync(process.execPath, [join(folder, "main.js")], { encoding: "utf8", env: { ...process.env, NODE_OPTIONS: "" } });
  expect(JSON.parse(output)).toEqual([8, 12, 16]);
});

it("packs the builds for pages, without the wide one", async () => {
  await buildWasm(folder);
  const { tinyOne: wasm } = (await import(join(folder, "dist/wasm/pages.js"))) as { tinyOne(build: string): Packed | undefined };
  const lengths = ["relaxed", "simd"].map((build) => unpack(wasm(build)!).length);
  expect([...lengths, wasm("wide")]).toEqual([8, 12, undefined]);
});

it("packs what unpacks to the same bytes: runs, repeats near and far, noise", async () => {
  writeFileSync(
    join(folder, "src/tiny-one/generate.ts"),
    `let seed = 1;
const noise = (n: number) => Array.from({ length: n }, () => (seed = (seed * 48271) % 2147483647) & 255);
const words = Array.from({ length: 40 }, (_, i) => noise(3 + (i % 11)));
const text = Array.from({ length: 500 }, () => words[noise(1)[0] % 40]).flat();
export const bytes = Uint8Array.from([...noise(700), ...text, ...Array(600).fill(7), ...text.slice(0, 1500), ...noise(90)]);
export const wasm = (build: string) => (build === "relaxed" ? bytes : bytes.map((byte, i) => byte ^ Number(i % 97 === 0)));`,
  );
  await buildWasm(folder);
  const { tinyOne: wasm } = (await import(join(folder, "dist/wasm/pages.js?noise"))) as { tinyOne(build: string): Packed };
  for (const build of ["relaxed", "simd"]) {
    expect(Buffer.from(unpack(wasm(build))).equals(readFileSync(join(folder, `dist/wasm/tiny-one.${build}.wasm`))), build).toBe(true);
  }
});

it("packs families that name the same stream together, small ones first, and each is its own bytes", async () => {
  const long = generate
    .replace("const header = [", "const tail = [0, 2, 1, 121];\nconst header = [")
    .replace("...header,", "...header, ...tail,");
  mkdirSync(join(folder, "src/alone"));
  mkdirSync(join(folder, "src/long-one"));
  writeFileSync(join(folder, "src/alone/generate.ts"), generate);
  writeFileSync(join(folder, "src/tiny-one/generate.ts"), `${generate}export const stream = "both";`);
  writeFileSync(join(folder, "src/long-one/generate.ts"), `${long}export const stream = "both";`);
  expect(await buildWasm(folder)).toEqual(["alone", "long-one", "tiny-one"]);
  for (const file of ["pages.js", "node.js"]) {
    expect(readFileSync(join(folder, "dist/wasm", file), "utf8").match(/^const \w+Packed/gm)).toEqual([
      "const alonePacked",
      "const bothPacked",
    ]);
  }
  const pages = (await import(join(folder, "dist/wasm/pages.js?together"))) as Record<string, (build: string) => Packed>;
  expect(pages.longOne!("relaxed").packed).toBe(pages.tinyOne!("simd").packed);
  expect(pages.longOne!("relaxed").start).toBe(pages.tinyOne!("simd").end);
  for (const [name, file] of Object.entries({ alone: "alone", longOne: "long-one", tinyOne: "tiny-one" })) {
    for (const build of ["relaxed", "simd"]) {
      expect(Buffer.from(unpack(pages[name]!(build))), `${name} ${build}`).toEqual(
        readFileSync(join(folder, `dist/wasm/${file}.${build}.wasm`)),
      );
    }
  }
});

it("gives Node the packed builds where a bundler left the files behind", async () => {
  await buildWasm(folder);
  for (const build of ["relaxed", "simd", "wide"]) rmSync(join(folder, `dist/wasm/tiny-one.${build}.wasm`));
  const { tinyOne: wasm } = (await import(join(folder, "dist/wasm/node.js"))) as { tinyOne(build: string): Packed | undefined };
  expect([unpack(wasm("relaxed")!).length, unpack(wasm("simd")!).length, wasm("wide")]).toEqual([8, 12, undefined]);
});

it("writes the bytes beside it, for engines that compile none at run time", async () => {
  await buildWasm(folder);
  expect(readFileSync(join(folder, "dist/wasm/tiny-one.simd.wasm")).length).toBe(12);
  expect(readFileSync(join(folder, "dist/wasm/workerd.js"), "utf8")).toContain('from "./tiny-one.relaxed.wasm"');
});

it("leaves out a generator without wasm(build), such as shared code", async () => {
  mkdirSync(join(folder, "src/shared"));
  writeFileSync(join(folder, "src/shared/generate.ts"), "export const part = 1;\n");
  expect(await buildWasm(folder)).toEqual(["tiny-one"]);
});

it("refuses a package whose imports do not lead to the files", async () => {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "x", type: "module" }));
  await expect(buildWasm(folder)).rejects.toThrow('needs "imports"');
});
