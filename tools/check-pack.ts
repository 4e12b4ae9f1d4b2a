import { execFile } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..");
const otherRuntimes = ["20.20.2", "22.23.3", "26.10.0"];

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

    const runtimes = [process.version, ...(process.argv.includes("--runtimes") ? otherRuntimes : [])];
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
  return [...contentFaults(unpacked), ...(await publintFaults(tarball)), ...(await typeFaults(tarball))];
}

function contentFaults(unpacked: string): string[] {
  const files = globSync("**/*", { cwd: unpacked });
  const missing = ["LICENSE", "README.md", "dist/index.js", "dist/index.d.ts", "src/index.ts"].filter((file) => !files.includes(file));
  const stray = files.filter((file) => /\.(test|bench)\.|\.tsbuildinfo$|^(bench|examples|node_modules)\//.test(file));
  const families = files.filter(
    (file) => /^src\/[^/]+\/generate\.ts$/.test(file) && /export (function|const) wasm\b/.test(readFileSync(join(unpacked, file), "utf8")),
  );
  const unbuilt = families.map((file) => `dist/wasm/${file.split("/")[1]}.js`).filter((file) => !files.includes(file));
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
    const manifest = readFileSync(join(consumer, "node_modules/@heed", name, "package.json"), "utf8");
    const { exports } = JSON.parse(manifest) as { exports: Record<string, unknown> };
    return Object.keys(exports)
      .filter((key) => !key.endsWith(".json"))
      .map((key) => join("@heed", name, key));
  });
  return entries.map((entry) => `await import("${entry}");\n`).join("");
}

async function consumerFaults(version: string, consumer: string): Promise<string[]> {
  // The variable would hand this process's conditions on, and with them the sources.
  const options = { cwd: consumer, env: { ...process.env, NODE_OPTIONS: "" } };
  try {
    if (version === process.version) await run(process.execPath, ["main.mjs"], options);
    else await run("npx", ["-y", `--package=node@${version}`, "--", "node", "main.mjs"], options);
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
