import { execFile, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { UserError } from "../../errors.ts";
import { type Attendance, type Contestant, rivals } from "./roster.ts";

const folder = new URL("../../../rivals/", import.meta.url);

/** The package that each rival in JavaScript is. */
const packages: Readonly<Record<string, string>> = {
  "onnxruntime-web": "onnxruntime-web",
  "tfjs-wasm": "@tensorflow/tfjs-backend-wasm",
  "jax-js": "@jax-js/jax",
  "onnxruntime-node": "onnxruntime-node",
};

/** Installs what is asked for and missing, and says of every rival which version takes part, or why none does. */
export async function attend(asked: readonly string[], python: string, progress: (text: string) => void): Promise<Attendance> {
  const locked = JSON.parse(readFileSync(new URL("package-lock.json", folder), "utf8")) as {
    packages: Record<string, { version: string }>;
  };
  const wanted = rivals.filter(({ name }) => asked.includes(name));
  const inJavaScript = wanted.filter(({ name }) => name in packages);
  if (inJavaScript.some(({ name }) => installedVersion(name) !== locked.packages[`node_modules/${packages[name]!}`]!.version)) {
    progress(`installs the rivals into ${fileURLToPath(folder)}: about 750 MB`);
    await install();
  }
  const attendance: Record<string, { version: string } | { absent: string }> = {};
  for (const rival of rivals) {
    if (!wanted.includes(rival)) attendance[rival.name] = { absent: "not asked for" };
    else attendance[rival.name] = rival.name in packages ? { version: installedVersion(rival.name)! } : await torch(python, rival);
  }
  return attendance as Attendance;
}

/** With npm, from the lock file of the folder, and without any package's own scripts: one of them would fetch what nobody asked for. */
function install(): Promise<void> {
  return new Promise((resolve, reject) => {
    const npm = spawn("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
      cwd: fileURLToPath(folder),
      stdio: ["ignore", "ignore", "pipe"],
      shell: process.platform === "win32",
    });
    let said = "";
    npm.stderr.on("data", (data: Buffer) => void (said += data.toString()));
    npm.on("error", (cause) => reject(new UserError("the rivals could not be installed: npm does not run.", { cause })));
    npm.on("close", (code) => {
      if (code === 0) return resolve();
      const why = said.split("\n").find((line) => line.startsWith("npm error")) ?? "";
      reject(new UserError(`the rivals could not be installed (npm ci in apps/bench/rivals ended with ${code}): ${why}`));
    });
  });
}

function installedVersion(name: string): string | undefined {
  const file = new URL(`node_modules/${packages[name]!}/package.json`, folder);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version : undefined;
}

async function torch(python: string, { name }: Contestant): Promise<{ version: string } | { absent: string }> {
  try {
    const { stdout } = await promisify(execFile)(python, ["-c", "import torch; print(torch.__version__)"]);
    return { version: stdout.trim() };
  } catch {
    return { absent: `${python} has no torch, so ${name} is left out` };
  }
}
