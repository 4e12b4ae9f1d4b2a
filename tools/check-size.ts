import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/**
 * Bundles pages as a user would, from the built packages, minified and gzipped with kernels inline, and prints what each weighs and what its
 * heaviest parts are; `--parts` prints all. And the modules that Node reads before a program computes one attention, as they are: reading them is most of
 * its start. Ends with `N passed, N failed`: neither may grow beyond its limit.
 */
const KB = 1000;
const data = `const data = () => tensor(Float32Array.from({ length: 1024 }, (_, i) => i % 7), { shape: [2, 16, 32] });
document.body.textContent = attention(data(), data(), data());`;
const pages = [
  {
    name: "a page that makes a tensor",
    limit: 22 * KB,
    contents: `import { tensor } from "@heed/tensor"; document.body.textContent = tensor([1, 2, 3]);`,
  },
  {
    name: "a page that computes one attention",
    limit: 40 * KB,
    contents: `import { tensor } from "@heed/tensor";
import { attention } from "@heed/attention/forward";
${data}`,
  },
  {
    // Options that are plain data (`returns`, `dtype`, `requiresGrad`) reach the gradients, the dense definition with all its operations, and the
    // reference of each kernel, so that no bundler can leave them out: what the page above does without.
    name: "a page that computes one attention by the entry that also trains",
    limit: 105 * KB,
    contents: `import { tensor } from "@heed/tensor";
import { attention } from "@heed/attention";
${data}`,
  },
];

const program = {
  name: "modules that Node reads for one attention",
  limit: 240 * KB,
  contents: `import { tensor } from "@heed/tensor/light";
import { attention } from "@heed/attention/forward";
${data}`,
};

let failed = 0;
for (const { name, limit, contents } of pages) {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
    metafile: true,
    logLevel: "error",
  });
  const text = outputFiles[0]!.text;
  const bytes = gzipSync(text, { level: 9 }).length;
  judge(name, bytes, limit, `min + gzip (${kb(text.length)} min)`);
  list(Object.entries(Object.values(metafile.outputs)[0]!.inputs).map(([path, { bytesInOutput }]) => [path, bytesInOutput]));
}
const { metafile } = await build({
  stdin: { contents: program.contents, resolveDir: import.meta.dirname },
  bundle: true,
  platform: "node",
  format: "esm",
  write: false,
  metafile: true,
  logLevel: "error",
});
const modules = Object.entries(metafile.inputs).flatMap(([path, { bytes }]): [string, number][] =>
  path === "<stdin>" ? [] : [[path, bytes]],
);
judge(
  program.name,
  modules.reduce((sum, [, bytes]) => sum + bytes, 0),
  program.limit,
  `in ${modules.length} files`,
);
list(modules);
console.log(`${pages.length + 1 - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

function judge(name: string, bytes: number, limit: number, how: string): void {
  if (bytes > limit) failed++;
  console.log(`${bytes <= limit ? "ok  " : "FAIL"} ${name}: ${kb(bytes)} ${how}, limit ${kb(limit)}`);
}

function list(parts: readonly [path: string, bytes: number][]): void {
  const sorted = parts.toSorted(([, a], [, b]) => b - a);
  for (const [path, bytes] of sorted.slice(0, process.argv.includes("--parts") ? undefined : 8)) {
    console.log(`     ${kb(bytes).padStart(9)} ${path.replace(/^.*packages\//, "").replace(join("dist", "/"), "")}`);
  }
}

function kb(bytes: number): string {
  return `${(bytes / KB).toFixed(1)} KB`;
}
