import { execFile } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { build, type Plugin } from "esbuild";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { otherNodes, runOn } from "./nodes.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..");

/**
 * Packs every built package as it would be published and looks at the tarballs only: publint, are-the-types-wrong, what lies in them,
 * and whether a consumer can import every entry: on this Node, and with `--runtimes` on the oldest and newest that are supported too
 * (fetched through npx). Ends with `N passed, N failed`.
 */
async function checkPacks(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "heed-pack-"));
  try {
    const names = globSync("packages/*/package.json", { cwd: root })
      .map((path) => path.split("/")[1]!)
      .sort();
    const consumer = join(folder, "consumer");
    let failed = 0;
    // Two at a time: as many as the machine this runs on has cores.
    const queue = [...names];
    const worker = async () => {
      for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
        const faults = await checkTarball(name, folder, consumer);
        console.log([`${faults.length === 0 ? "ok  " : "FAIL"} @heed/${name}`, ...faults].join("\n     "));
        if (faults.length > 0) failed++;
      }
    };
    await Promise.all([worker(), worker()]);

    const runtimes = [process.version.slice(1), ...(process.argv.includes("--runtimes") ? otherNodes : [])];
    writeFileSync(join(consumer, "main.mjs"), importsOfAll(names, consumer));
    for (const version of runtimes) {
      const faults = await consumerFaults(version, consumer);
      console.log(
        [`${faults.length === 0 ? "ok  " : "FAIL"} a consumer imports every entry on Node ${version}`, ...faults].join("\n     "),
      );
      if (faults.length > 0) failed++;
    }
    console.log(`${names.length + runtimes.length - failed} passed, ${failed} failed`);
    process.exitCode = failed > 0 ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Packs `packages/<name>`, unpacks it below `consumer/node_modules`, and returns what is wrong with it. */
async function checkTarball(name: string, folder: string, consumer: string): Promise<string[]> {
  const tarball = join(folder, `${name}.tgz`);
  await run("pnpm", ["pack", "--out", tarball], { cwd: join(root, "packages", name) });
  const unpacked = join(consumer, "node_modules/@heed", name);
  mkdirSync(unpacked, { recursive: true });
  await run("tar", ["-xzf", tarball, "-C", unpacked, "--strip-components=1"]);
  const { dependencies, peerDependencies } = manifestOf(unpacked);
  for (const dependency of Object.keys({ ...dependencies, ...peerDependencies })) {
    const installed = join(consumer, "node_modules", dependency);
    if (dependency.startsWith("@heed/") || existsSync(installed)) continue;
    mkdirSync(dirname(installed), { recursive: true });
    symlinkSync(realpathSync(join(root, "packages", name, "node_modules", dependency)), installed);
  }
  return [
    ...contentFaults(unpacked),
    ...(await sideEffects(name, consumer)),
    ...(await publintFaults(tarball)),
    ...(await typeFaults(tarball)),
  ];
}

interface Manifest {
  readonly private?: boolean;
  exports: Record<string, unknown>;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}
const manifestOf = (folder: string) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

function contentFaults(unpacked: string): string[] {
  const files = globSync("**/*", { cwd: unpacked });
  const missing = ["LICENSE", "README.md", "dist/index.js", "dist/index.d.ts", "src/index.ts"].filter((file) => !files.includes(file));
  const stray = files.filter((file) => /\.(test|bench)\.|\.tsbuildinfo$|^(bench|examples|node_modules)\//.test(file));
  const families = files.filter(
    (file) => /^src\/[^/]+\/generate\.ts$/.test(file) && /export (function|const) wasm\b/.test(readFileSync(join(unpacked, file), "utf8")),
  );
  const unbuilt = families.map((file) => `dist/wasm/${file.split("/")[1]}.relaxed.wasm`).filter((file) => !files.includes(file));
  const { dependencies = {} } = JSON.parse(readFileSync(join(unpacked, "package.json"), "utf8")) as {
    dependencies?: Record<string, string>;
  };
  const local = Object.entries(dependencies).filter(([, range]) => range.startsWith("workspace:") || range.startsWith("link:"));
  return [
    ...[...missing, ...unbuilt].map((file) => `${file} is missing from the tarball`),
    ...stray.map((file) => `${file} does not belong in the tarball`),
    ...local.map(([dependency, range]) => `depends on ${dependency}@${range}, which no consumer can install`),
  ];
}

/** What a bundler keeps of the package's own modules when nothing of them is used, and it does not take `sideEffects: false` on trust. */
async function sideEffects(name: string, consumer: string): Promise<string[]> {
  const distrust: Plugin = {
    name: "distrust",
    setup({ onResolve, resolve }) {
      onResolve({ filter: /.*/ }, async ({ path, pluginData, ...rest }) => {
        if (pluginData === "resolved") return undefined;
        if (!path.startsWith(".") && !path.startsWith(`@heed/${name}`)) return { path, external: true, sideEffects: false };
        const { path: found, errors } = await resolve(path, { ...rest, pluginData: "resolved" });
        return { path: found, errors, sideEffects: true };
      });
    },
  };
  const { outputFiles } = await build({
    stdin: { contents: `import "@heed/${name}";`, resolveDir: consumer },
    bundle: true,
    write: false,
    format: "esm",
    minifySyntax: true,
    logLevel: "silent",
    plugins: [distrust],
  });
  // Arithmetic on numbers has no effect either, but esbuild does not look so far.
  const harmless = /^$|^\/\/|^var (\w+ = [-+*/ ().\de]+(, |;$))+$/;
  const kept = outputFiles[0]!.text.split("\n").filter((line) => !harmless.test(line.trim()));
  return kept.length === 0 ? [] : ["importing it has side effects; a bundler keeps:", ...kept.slice(0, 8)];
}

async function publintFaults(tarball: string): Promise<string[]> {
  const { buffer, byteOffset, byteLength } = readFileSync(tarball);
  const { messages, pkg } = await publint({
    pack: { tarball: buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer },
    strict: true,
  });
  return messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false }) ?? message.code}`);
}

async function typeFaults(tarball: string): Promise<string[]> {
  try {
    await run(join(root, "node_modules/.bin/attw"), [tarball, "--profile", "esm-only", "--format", "ascii", "--no-color", "--no-emoji"]);
    return [];
  } catch (error) {
    const { stdout, message } = error as { stdout?: string; message: string };
    return ["are-the-types-wrong:", ...(stdout || message).trim().split("\n")];
  }
}

/** A program that imports every entry of every tarball, as a consumer without a bundler does. */
function importsOfAll(names: string[], consumer: string): string {
  const entries = names.flatMap((name) => {
    return Object.keys(manifestOf(join(consumer, "node_modules/@heed", name)).exports)
      .filter((key) => !key.endsWith(".json"))
      .map((key) => join("@heed", name, key));
  });
  return entries.map((entry) => `await import("${entry}");\n`).join("");
}

async function consumerFaults(version: string, consumer: string): Promise<string[]> {
  try {
    await runOn("node", version, ["main.mjs"], consumer);
    return [];
  } catch (error) {
    return (error as { stderr: string }).stderr.trim().split("\n");
  }
}

if (import.meta.main) {
  if (globSync("packages/*/dist/index.js", { cwd: root }).length === 0)
    throw new Error(`${basename(import.meta.filename)}: run \`pnpm build\` first`);
  await checkPacks();
}
