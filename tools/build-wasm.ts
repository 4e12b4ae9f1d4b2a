import { createRequire } from "node:module";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const builds = ["relaxed", "simd"] as const;
type Build = (typeof builds)[number] | "wide";

/**
 * Runs the kernel generators of one package and writes, for each `src/<family>/generate.ts` that exports `wasm(build)`:
 *
 * - `dist/wasm/<family>.js`: `wasm(build)` that gives both builds in one compressed stream, for pages, where bytes count more than a
 *   few milliseconds at the first call;
 * - `dist/wasm/<family>.node.js`: `wasm(build)` over inline base64, decoded at the first call, which knows the wide build too;
 * - `dist/wasm/<family>.<build>.wasm`: the bytes as they are;
 * - `dist/wasm/<family>.workerd.js`: `wasm(build)` over those files, for engines that refuse to compile bytes.
 *
 * `imports` of package.json chooses among them under the name `#wasm/<family>`. Returns the families written.
 */
export async function buildWasm(packageFolder: string): Promise<string[]> {
  const out = join(packageFolder, "dist/wasm");
  rmSync(out, { recursive: true, force: true });
  const families: string[] = [];
  for (const path of globSync("src/*/generate.ts", { cwd: packageFolder }).sort()) {
    const family = basename(dirname(path));
    const { wasm } = (await import(pathToFileURL(join(packageFolder, path)).href)) as { wasm?: (build: Build) => Uint8Array };
    if (wasm === undefined) continue;
    families.push(family);
    mkdirSync(out, { recursive: true });
    const bytes = builds.map((build) => wasm(build));
    builds.forEach((build, i) => writeFileSync(join(out, `${family}.${build}.wasm`), bytes[i]!));
    writeFileSync(join(out, `${family}.js`), packedModule(bytes[0]!, bytes[1]!));
    writeFileSync(join(out, `${family}.node.js`), nodeModule([...bytes, wasm("wide")]));
    writeFileSync(join(out, `${family}.workerd.js`), workerdModule(family));
  }
  assertImports(packageFolder, families);
  return families;
}

const { LZMA } = createRequire(import.meta.url)("lzma/src/lzma_worker.js") as {
  LZMA: { compress(bytes: Uint8Array, mode: number): ArrayLike<number> };
};
const HEADER_BYTES = 13;

/** What `unpack` of `@heed/kernels` reads. The second build is like the first, so that it costs a tenth. */
function packedModule(relaxed: Uint8Array, simd: Uint8Array): string {
  const isSame = Buffer.from(relaxed).equals(simd);
  const stream = LZMA.compress(isSame ? relaxed : Buffer.concat([relaxed, simd]), 9);
  const packed = Buffer.from(Uint8Array.from(stream).subarray(HEADER_BYTES)).toString("base64");
  const ranges = { relaxed: [0, relaxed.length], simd: isSame ? [0, relaxed.length] : [relaxed.length, relaxed.length + simd.length] };
  return `const packed = "${packed}";

export function wasm(build) {
  if (build === "relaxed") return { packed, start: ${ranges.relaxed.join(", end: ")} };
  if (build === "simd") return { packed, start: ${ranges.simd.join(", end: ")} };
}
`;
}

function nodeModule(all: readonly Uint8Array[]): string {
  const texts = all.map((bytes) => Buffer.from(bytes).toString("base64"));
  const value = (i: number) => (texts.indexOf(texts[i]!) < i ? ["relaxed", "simd"][texts.indexOf(texts[i]!)] : `"${texts[i]}"`);
  return `const relaxed = ${value(0)};
const simd = ${value(1)};
const wide = ${value(2)};
const builds = { relaxed, simd, wide };

export function wasm(build) {
  const text = atob(builds[build]);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
`;
}

function workerdModule(family: string): string {
  return `${builds.map((build) => `import ${build} from "./${family}.${build}.wasm";\n`).join("")}
const modules = { ${builds.join(", ")} };

export function wasm(build) {
  return modules[build];
}
`;
}

// Without this entry the build would pass, and the first user of the published package would see it fail.
function assertImports(packageFolder: string, families: string[]): void {
  const path = join(packageFolder, "package.json");
  if (families.length === 0 || !existsSync(path)) return;
  const { imports } = JSON.parse(readFileSync(path, "utf8")) as { imports?: Record<string, unknown> };
  const wanted = {
    "@heed/source": "./src/*/generate.ts",
    workerd: "./dist/wasm/*.workerd.js",
    node: "./dist/wasm/*.node.js",
    default: "./dist/wasm/*.js",
  };
  if (JSON.stringify(imports?.["#wasm/*"]) !== JSON.stringify(wanted)) {
    throw new Error(`build-wasm: a package with kernels needs "imports": ${JSON.stringify({ "#wasm/*": wanted })} in ${path}`);
  }
}

if (import.meta.main) await buildWasm(resolve(process.argv[2] ?? "."));
