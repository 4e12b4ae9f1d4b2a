import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const builds = ["relaxed", "simd"] as const;
type Build = (typeof builds)[number] | "wide";

/**
 * Runs the kernel generators of one package and writes, for each `src/<family>/generate.ts` that exports `wasm(build)`:
 *
 * - `dist/wasm/<family>.js`: `wasm(build)` over inline base64, decoded at the first call, so that importing costs nothing;
 * - `dist/wasm/<family>.<build>.wasm`: the bytes as they are;
 * - `dist/wasm/<family>.workerd.js`: `wasm(build)` over those files, for engines that refuse to compile bytes;
 * - `dist/wasm/<family>.node.js`: `wasm(build)` that knows the wide build too, if it has bytes of its own: no page carries them.
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
    const [relaxed, simd, wide] = [...bytes, wasm("wide")].map((each) => Buffer.from(each).toString("base64"));
    writeFileSync(join(out, `${family}.js`), inlineModule(relaxed!, simd!));
    writeFileSync(
      join(out, `${family}.node.js`),
      wide === relaxed ? `export { wasm } from "./${family}.js";\n` : nodeModule(family, wide!),
    );
    writeFileSync(join(out, `${family}.workerd.js`), workerdModule(family));
  }
  assertImports(packageFolder, families);
  return families;
}

const decode = `const decode = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
`;

function inlineModule(relaxed: string, simd: string): string {
  return `const relaxed = "${relaxed}";
const simd = ${simd === relaxed ? "relaxed" : `"${simd}"`};
${decode}
export function wasm(build) {
  return build === "wide" ? undefined : decode(build === "relaxed" ? relaxed : simd);
}
`;
}

function nodeModule(family: string, wide: string): string {
  return `import { wasm as narrow } from "./${family}.js";

const wide = "${wide}";
${decode}
export function wasm(build) {
  return build === "wide" ? decode(wide) : narrow(build);
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
