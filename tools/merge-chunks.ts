import { globSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { build, type BuildOptions, type Plugin } from "esbuild";

/** All that `index.js` needs of its package. */
const CORE = "core.js";
/** The program of a thread shares nothing with this one: pages may serve it as the one file that it is. */
const ALONE = "worker.js";

/**
 * Puts `index.js` and the chunks that it needs into one file, `core.js`: a program spends more of its start on finding modules than on reading them.
 * The other entries of the package take what they share with the index from there, and `index.js` gives what is public of it.
 *
 * @param folder of one package's built modules
 */
export async function mergeChunks(folder: string): Promise<void> {
  const settings: BuildOptions = {
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    sourcemap: true,
    packages: "external",
    external: ["#wasm"],
    absWorkingDir: folder,
    logLevel: "error",
    metafile: true,
  };
  const files = globSync("**/*.js", { cwd: folder, exclude: ["wasm"] });
  // An app has no index; and esbuild would write the way from an entry in a folder to core.js as if it lay beside it.
  if (!files.includes("index.js") || files.some((name) => name.includes("/"))) return;
  const inner = Object.keys((await build({ ...settings, entryPoints: ["index.js"], write: false })).metafile!.inputs);
  if (inner.length === 1) return;
  const outer = files.filter((name) => !name.startsWith("chunk-") && !inner.includes(name));
  const exportsOf = new Map<string, readonly string[]>();
  const { metafile } = await build({
    ...settings,
    entryPoints: inner,
    outdir: "exports",
    bundle: false,
    external: undefined,
    packages: undefined,
    write: false,
  });
  for (const [path, { exports }] of Object.entries(metafile!.outputs)) {
    if (path.endsWith(".js")) exportsOf.set(basename(path), exports);
  }
  const own = exportsOf.get("index.js")!;
  /** What the others call an export of a chunk: two chunks may use one name. */
  const shared = (name: string, file: string) => (file === "index.js" ? name : `${name}$${inner.indexOf(file)}`);

  const core = inner.map((file) => list(exportsOf.get(file)!, (name) => `${name} as ${shared(name, file)}`, `./${file}`)).join("\n");
  const built = await build({ ...settings, stdin: { contents: core, resolveDir: folder }, outfile: CORE, write: false });

  const fromCore: Plugin = {
    name: "from-core",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
        const file = relative(folder, resolve(resolveDir, path));
        return inner.includes(file) ? { path: file, namespace: "core", sideEffects: false } : undefined;
      });
      onLoad({ filter: /.*/, namespace: "core" }, ({ path }) => ({
        contents: list(exportsOf.get(path)!, (name) => `${shared(name, path)} as ${name}`, `./${CORE}`),
        resolveDir: folder,
      }));
    },
  };
  const alone = await build({ ...settings, entryPoints: outer.filter((name) => name === ALONE), outdir: ".", write: false });
  const others = await build({
    ...settings,
    external: ["#wasm", join(folder, CORE)],
    entryPoints: outer.filter((name) => name !== ALONE),
    splitting: true,
    chunkNames: "chunk-[hash]",
    outdir: ".",
    plugins: [fromCore],
    write: false,
  });

  for (const file of files.filter((name) => name.startsWith("chunk-")))
    for (const path of [file, `${file}.map`]) rmSync(join(folder, path), { force: true });
  for (const { path, contents } of [built, alone, others].flatMap(({ outputFiles }) => outputFiles!)) writeFileSync(path, contents);
  writeFileSync(
    join(folder, "index.js"),
    list(own, (name) => name, `./${CORE}`),
  );
  rmSync(join(folder, "index.js.map"), { force: true });
}

function list(names: readonly string[], item: (name: string) => string, from: string): string {
  return `export { ${names.map(item).join(", ")} } from "${from}";\n`;
}
