/** Contestants are stopped while they wait for their turn: nobody but bench can end them then. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** States, as Linux says them, of the contestants of a bench with this seed. */
function contestants(seed: number): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      if (!/^\d+$/.test(pid) || !readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`"seed":${seed}}`)) return [];
      return [/^State:\s*(\S)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]!];
    } catch {
      return []; // It has ended meanwhile.
    }
  });
}

it.runIf(process.platform === "linux").each([
  [1, "writes a report of what there is"],
  [2, "ends at once"],
])("with %s Ctrl-C bench peers %s, and no contestant is left", { timeout: 120_000 }, async (keys) => {
  const folder = mkdtempSync(join(tmpdir(), "heed-"));
  const seed = process.pid * 10 + keys;
  const words = ["peers", "--rivals", "none", "--only", "matmul-1024", "--thread-counts", "1", "--wait", "0"];
  const bench = spawn(
    process.execPath,
    ["--conditions=@heed/source", "--disable-warning=ExperimentalWarning", main, ...words, "--seed", String(seed), "--out", folder],
    { stdio: "ignore", env: { ...process.env, NO_COLOR: "1" } },
  );
  const ended = once(bench, "close");
  try {
    await expect.poll(() => contestants(seed), { timeout: 60_000, interval: 20 }).toContain("T");
    for (let key = 0; key < keys; key++) {
      if (key > 0) await wait(500);
      bench.kill("SIGINT");
    }
    const [code] = (await ended) as [number];
    expect(code).toBe(130);
    await expect.poll(() => contestants(seed), { timeout: 5000 }).toEqual([]);
  } finally {
    bench.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});
