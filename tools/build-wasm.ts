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
 * - `dist/wasm/<family>.<build>.wasm`: the bytes as they are; the wide build's where they are its own;
 * - `dist/wasm/<family>.node.js`: `wasm(build)` over those files, the wide build's too, or the stream where a bundler left them behind;
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
    const wide = wasm("wide");
    if (!Buffer.from(wide).equals(bytes[0]!)) writeFileSync(join(out, `${family}.wide.wasm`), wide);
    const packed = packedModule(bytes[0]!, bytes[1]!);
    writeFileSync(join(out, `${family}.js`), packed);
    writeFileSync(join(out, `${family}.node.js`), nodeModule(family, packed));
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

/** Node reads the file of the build that runs: neither does it load the text of others, nor unpack. Bundled, it has the packed text only. */
function nodeModule(family: string, packedText: string): string {
  return `${packedText.replace("export function wasm", "function inline")}
// Deno would ask its user for leave to read.
const files = globalThis.Deno === undefined ? globalThis.process?.getBuiltinModule?.("node:fs") : undefined;

export function wasm(build) {
  const name = \`./${family}.\${build}.wasm\`;
  try {
    return new Uint8Array(files.readFileSync(new URL(name, import.meta.url)));
  } catch {
    return inline(build);
  }
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
