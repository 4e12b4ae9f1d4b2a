import { globSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { build, type BuildOptions, type Plugin } from "esbuild";

/** All that `index.js` needs of its package. */
const CORE = "core.js";
/** The entry, by one of these names, for programs that want little of the package; and its share of what the index needs, so that they read no more. */
const [LIGHT, LIGHT_CORE] = [["forward.js", "light.js"], "light-core.js"];
/** The program of a thread shares nothing with this one: pages may serve it as the one file that it is. */
const ALONE = "worker.js";

/**
 * Puts `index.js` and the chunks that it needs into one file, `core.js`: finding a module takes 0.2 ms of a program's start, and chunks are many. What is read counts more.
 * The other entries of the package take what they share with the index from there, and `index.js` gives what is public of it. What a light entry
 * shares with the index is a file of its own.
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
  const inputsOf = async (entry: string) =>
    Object.keys((await build({ ...settings, entryPoints: [entry], write: false })).metafile!.inputs);
  const inner = await inputsOf("index.js");
  if (inner.length === 1) return;
  const lightEntry = files.find((name) => LIGHT.includes(name));
  const light = lightEntry === undefined ? [] : (await inputsOf(lightEntry)).filter((file) => inner.includes(file));
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

  const homeOf = (file: string) => (light.includes(file) ? LIGHT_CORE : CORE);

  /** Imports of `merged` files come from the core that has them. */
  const fromCores = (merged: readonly string[]): Plugin => ({
    name: "from-cores",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir, importer }) => {
        const file = relative(folder, resolve(resolveDir, path));
        // One for each importer, or those of several would become chunks that hold nothing but names.
        const suffix = `?${relative(folder, importer)}`;
        return merged.includes(file) ? { path: file, suffix, namespace: "core", sideEffects: false } : undefined;
      });
      onLoad({ filter: /.*/, namespace: "core" }, ({ path }) => ({
        contents: list(exportsOf.get(path)!, (name) => `${shared(name, path)} as ${name}`, `./${homeOf(path)}`),
        resolveDir: folder,
      }));
    },
  });
  const external = ["#wasm", ...[CORE, LIGHT_CORE].map((name) => join(folder, name))];
  const merge = async (outfile: string, merged: readonly string[], elsewhere: readonly string[]) => {
    const contents = merged.map((file) => list(exportsOf.get(file)!, (name) => `${name} as ${shared(name, file)}`, `./${file}`)).join("\n");
    return build({
      ...settings,
      external,
      stdin: { contents, resolveDir: folder },
      outfile,
      plugins: [fromCores(elsewhere)],
      write: false,
    });
  };
  const cores = [
    await merge(
      CORE,
      inner.filter((file) => !light.includes(file)),
      light,
    ),
  ];
  if (light.length > 0) cores.push(await merge(LIGHT_CORE, light, []));
  const alone = await build({ ...settings, entryPoints: outer.filter((name) => name === ALONE), outdir: ".", write: false });
  const others = await build({
    ...settings,
    external,
    entryPoints: outer.filter((name) => name !== ALONE),
    splitting: true,
    chunkNames: "chunk-[hash]",
    outdir: ".",
    plugins: [fromCores(inner)],
    write: false,
  });

  for (const file of files.filter((name) => name.startsWith("chunk-")))
    for (const path of [file, `${file}.map`]) rmSync(join(folder, path), { force: true });
  for (const { path, contents } of [...cores, alone, others].flatMap(({ outputFiles }) => outputFiles!)) writeFileSync(path, contents);
  writeFileSync(
    join(folder, "index.js"),
    list(own, (name) => name, `./${CORE}`),
  );
  rmSync(join(folder, "index.js.map"), { force: true });
}

function list(names: readonly string[], item: (name: string) => string, from: string): string {
  return `export { ${names.map(item).join(", ")} } from "${from}";\n`;
}
