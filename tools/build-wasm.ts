import { createRequire } from "node:module";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { exportOf } from "./wasm-name.ts";

const builds = ["relaxed", "simd"] as const;
type Build = (typeof builds)[number] | "wide";

/**
 * Runs the kernel generators of one package and writes, for the `src/<family>/generate.ts` that export `wasm(build)`:
 *
 * - `dist/wasm/<family>.<build>.wasm`: the bytes as they are; the wide build's where they are its own;
 * - `dist/wasm/pages.js`: per family a function of the build that gives both builds in one compressed stream, for pages, where bytes count
 *   more than a few milliseconds at the first call;
 * - `dist/wasm/node.js`: the same functions over those files, the wide build's too, or the stream where a bundler left them behind;
 * - `dist/wasm/workerd.js`: the same over those files, for engines that refuse to compile bytes.
 *
 * One module for all families, since Node takes as long to find a small module as to read a large one; bundlers keep what is used. `imports` of
 * package.json chooses among the three under the name `#wasm`. Returns the families written.
 */
export async function buildWasm(packageFolder: string): Promise<string[]> {
  const out = join(packageFolder, "dist/wasm");
  rmSync(out, { recursive: true, force: true });
  const families: Family[] = [];
  for (const path of globSync("src/*/generate.ts", { cwd: packageFolder }).sort()) {
    const name = basename(dirname(path));
    const { wasm } = (await import(pathToFileURL(join(packageFolder, path)).href)) as { wasm?: (build: Build) => Uint8Array };
    if (wasm === undefined) continue;
    mkdirSync(out, { recursive: true });
    const [relaxed, simd] = builds.map((build) => wasm(build)) as [Uint8Array, Uint8Array];
    writeFileSync(join(out, `${name}.relaxed.wasm`), relaxed);
    writeFileSync(join(out, `${name}.simd.wasm`), simd);
    const wide = wasm("wide");
    if (!Buffer.from(wide).equals(relaxed)) writeFileSync(join(out, `${name}.wide.wasm`), wide);
    families.push({ name, exported: exportOf(name), ...packed(relaxed, simd) });
  }
  if (families.length > 0) {
    writeFileSync(join(out, "pages.js"), families.map(pageFunction).join("\n"));
    writeFileSync(join(out, "node.js"), nodeModule(families));
    writeFileSync(join(out, "workerd.js"), families.map(workerdFunction).join("\n"));
  }
  assertImports(packageFolder, families);
  return families.map(({ name }) => name);
}

interface Family {
  readonly name: string;
  /** As modules export it. */
  readonly exported: string;
  /** Both builds, compressed, and where each lies in what it unpacks to. */
  readonly text: string;
  readonly relaxed: readonly [start: number, end: number];
  readonly simd: readonly [start: number, end: number];
}

const { LZMA } = createRequire(import.meta.url)("lzma/src/lzma_worker.js") as {
  LZMA: { compress(bytes: Uint8Array, mode: number): ArrayLike<number> };
};
const HEADER_BYTES = 13;

/** What `unpack` of `@heed/kernels` reads. The second build is like the first, so that it costs a tenth. */
function packed(relaxed: Uint8Array, simd: Uint8Array): Pick<Family, "text" | "relaxed" | "simd"> {
  const isSame = Buffer.from(relaxed).equals(simd);
  const stream = LZMA.compress(isSame ? relaxed : Buffer.concat([relaxed, simd]), 9);
  return {
    text: Buffer.from(Uint8Array.from(stream).subarray(HEADER_BYTES)).toString("base64"),
    relaxed: [0, relaxed.length],
    simd: isSame ? [0, relaxed.length] : [relaxed.length, relaxed.length + simd.length],
  };
}

function inlineFunction({ exported, text, relaxed, simd }: Family, name: string): string {
  return `const ${exported}Packed = "${text}";

function ${name}(build) {
  if (build === "relaxed") return { packed: ${exported}Packed, start: ${relaxed.join(", end: ")} };
  if (build === "simd") return { packed: ${exported}Packed, start: ${simd.join(", end: ")} };
}
`;
}

function pageFunction(family: Family): string {
  return inlineFunction(family, family.exported).replace("\nfunction", "\nexport function");
}

/** Node reads the file of the build that runs: neither does it read others, nor unpack. Bundled, it has the packed text only. */
function nodeModule(families: readonly Family[]): string {
  const functions = families.map(
    (family) => `${inlineFunction(family, `${family.exported}Inline`)}
export function ${family.exported}(build) {
  return bytesOf(\`./${family.name}.\${build}.wasm\`) ?? ${family.exported}Inline(build);
}
`,
  );
  return `function bytesOf(name) {
  // Deno would ask its user for leave to read.
  const files = globalThis.Deno === undefined ? globalThis.process?.getBuiltinModule?.("node:fs") : undefined;
  try {
    return new Uint8Array(files.readFileSync(new URL(name, import.meta.url)));
  } catch {
    return undefined;
  }
}

${functions.join("\n")}`;
}

function workerdFunction({ name, exported }: Family): string {
  const [relaxed, simd] = builds.map((build) => `${exported}${build[0]!.toUpperCase()}${build.slice(1)}`);
  return `import ${relaxed} from "./${name}.relaxed.wasm";
import ${simd} from "./${name}.simd.wasm";

export function ${exported}(build) {
  return build === "relaxed" ? ${relaxed} : build === "simd" ? ${simd} : undefined;
}
`;
}

// Without this entry the build would pass, and the first user of the published package would see it fail.
function assertImports(packageFolder: string, families: readonly Family[]): void {
  const path = join(packageFolder, "package.json");
  if (families.length === 0 || !existsSync(path)) return;
  const { imports } = JSON.parse(readFileSync(path, "utf8")) as { imports?: Record<string, unknown> };
  const wanted = {
    "#wasm": { workerd: "./dist/wasm/workerd.js", node: "./dist/wasm/node.js", default: "./dist/wasm/pages.js" },
    "#wasm/*": { "@heed/source": "./src/*/generate.ts" },
  };
  if (JSON.stringify(imports) !== JSON.stringify(wanted)) {
    throw new Error(`build-wasm: a package with kernels needs "imports": ${JSON.stringify(wanted)} in ${path}`);
  }
}

if (import.meta.main) await buildWasm(resolve(process.argv[2] ?? "."));
