import { accessSync, constants, globSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { chromium } from "playwright";
import { otherNodes, runOn } from "../nodes.ts";
import type { Report, Task } from "./program.ts";

/** Somewhere the bundled program runs. */
export interface Engine {
  readonly name: string;
  /** Runs a task of the bundle that lies in `folder` as `program.mjs`, with `main.mjs` for engines that have a command line. */
  run(task: Task, folder: string): Promise<Report>;
}

const executablePath = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  chromium.executablePath(),
].find((path) => path !== undefined && isExecutable(path));

/** Every engine that the packages support and that is here; and the names of those that are not. */
export const engines: readonly Engine[] = [
  ...[...otherNodes.slice(0, 2), process.version.slice(1), ...otherNodes.slice(2)].map((version) =>
    commandLine(`Node ${version}`, ["node", version]),
  ),
  commandLine("Deno 2.9.6", ["deno", "2.9.6"], ["run", "--allow-all"]),
  commandLine("Bun 1.4.5", ["bun", "1.4.5"]),
  ...(executablePath === undefined ? [] : [{ name: "Chromium", run: runInChromium }]),
];
export const absent: readonly string[] = executablePath === undefined ? ["Chromium"] : [];

function commandLine(name: string, [program, version]: readonly [string, string], before: readonly string[] = []): Engine {
  return {
    name,
    async run(task, folder) {
      const output = await runOn(program, version, [...before, join(folder, "main.mjs"), JSON.stringify(task)], folder);
      return JSON.parse(output.trim().split("\n").at(-1)!) as Report;
    },
  };
}

async function runInChromium(task: Task, folder: string): Promise<Report> {
  const directory = task.golden?.directory;
  const files = directory === undefined ? [] : globSync(["index.json", "*/*.safetensors"], { cwd: directory });
  const server = createServer(({ url = "/" }, response) => {
    const path = url.startsWith("/golden/") ? join(directory!, url.slice("/golden/".length)) : join(folder, "program.mjs");
    const isPage = url === "/";
    response.writeHead(200, {
      "Content-Type": isPage ? "text/html" : path.endsWith(".mjs") ? "text/javascript" : "application/octet-stream",
      // Shared memory is for isolated pages only.
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
    });
    response.end(isPage ? "<!doctype html><title>heed</title>" : readFileSync(path));
  }).listen(0, "127.0.0.1");
  const args = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ];
  const browser = await chromium.launch({ executablePath: executablePath!, args });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const golden =
      directory === undefined
        ? undefined
        : { directory: "/golden", files: Object.fromEntries(files.map((file) => [file, `/golden/${file}`])) };
    return await page.evaluate(
      async (given) => ((await import("/program.mjs" as string)) as { run(task: Task): Promise<Report> }).run(given),
      { ...task, ...(golden === undefined ? {} : { golden }) },
    );
  } finally {
    await browser.close();
    server.close();
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
