/** The smallest program that computes one attention: how long until it has, and how large a page with it is. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const rivalsFolder = new URL("../../../rivals/", import.meta.url);

interface Program {
  /** Its source, one file for Node and browsers alike. */
  readonly file: URL;
  /** What a page has besides its script: the WebAssembly that the library fetches, as its package names it. */
  readonly fetched?: string;
  /** Where the library keeps a smaller build for pages. */
  readonly alias?: Readonly<Record<string, string>>;
  /** It has no build for pages at all. */
  readonly nativeOnly?: boolean;
}

const inRivals = (name: string): URL => new URL(`first-attention/${name}.js`, rivalsFolder);

/** By contestant. Ours is its own file, on the built packages, as users have them. */
const programs: Readonly<Record<string, Program>> = {
  heed: { file: new URL("./first-attention.js", import.meta.url) },
  "onnxruntime-web": {
    file: inRivals("onnxruntime-web"),
    fetched: "onnxruntime-web/ort-wasm-simd-threaded.wasm",
    alias: { "onnxruntime-web": "onnxruntime-web/wasm" },
  },
  "tfjs-wasm": { file: inRivals("tfjs"), fetched: "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm" },
  "jax-js": { file: inRivals("jax") },
  "onnxruntime-node": { file: inRivals("onnxruntime-node"), nativeOnly: true },
};

/** For comparison: the operands alone. */
export const nothing = "no library";

export const hasProgram = (name: string): boolean => name in programs;

/** Milliseconds from asking for a process to the first number of the result. */
export function startUp(name: string, model: string): Promise<number> {
  const file = fileURLToPath(name === nothing ? inRivals("nothing") : programs[name]!.file);
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(process.execPath, [file, model], { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    child.stderr.on("data", (data: Buffer) => void (said += data.toString()));
    child.stdout.once("data", () => {
      resolve(performance.now() - start);
      child.kill("SIGKILL");
    });
    child.on("error", reject);
    child.on("close", () => reject(new Error(`it ended without a result: ${said.trim().split("\n").at(-1)}`)));
  });
}

/** Bytes of the page, minified and compressed: script and WebAssembly. Undefined where there is no such page. */
export async function pageBytes(name: string): Promise<{ readonly script: number; readonly fetched: number } | undefined> {
  const program = programs[name]!;
  if (program.nativeOnly === true) return undefined;
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(program.file)],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    conditions: ["onnxruntime-web-use-extern-wasm"],
    external: ["node:*"],
    logLevel: "silent",
    ...(program.alias && { alias: program.alias }),
  });
  const compressed = (bytes: Uint8Array): number => gzipSync(bytes, { level: 9 }).length;
  const resolve = createRequire(new URL("package.json", rivalsFolder)).resolve;
  return {
    script: compressed(outputFiles[0]!.contents),
    fetched: program.fetched === undefined ? 0 : compressed(readFileSync(resolve(program.fetched))),
  };
}
