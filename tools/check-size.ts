import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/**
 * Bundles pages as a user would, from the built packages, minified and gzipped with kernels inline, and prints what each weighs and what its
 * heaviest parts are; `--parts` prints all. Ends with `N passed, N failed`: a page may not grow beyond its limit.
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
    limit: 104 * KB,
    contents: `import { tensor } from "@heed/tensor";
import { attention } from "@heed/attention";
${data}`,
  },
];

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
  if (bytes > limit) failed++;
  console.log(`${bytes <= limit ? "ok  " : "FAIL"} ${name}: ${kb(bytes)} min + gzip (${kb(text.length)} min), limit ${kb(limit)}`);
  const parts = Object.entries(Object.values(metafile.outputs)[0]!.inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput);
  for (const [path, { bytesInOutput }] of parts.slice(0, process.argv.includes("--parts") ? undefined : 8)) {
    console.log(`     ${kb(bytesInOutput).padStart(9)} ${path.replace(/^.*packages\//, "").replace(join("dist", "/"), "")}`);
  }
}
console.log(`${pages.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

function kb(bytes: number): string {
  return `${(bytes / KB).toFixed(1)} KB`;
}
