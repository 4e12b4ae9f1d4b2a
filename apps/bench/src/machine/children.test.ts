import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { conditions } from "./conditions.ts";

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    // Who has ended and is not yet waited for has a number still.
    return process.platform !== "linux" || !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

it.runIf(process.platform !== "win32").each(["exits", "fails"])(
  "a process that is stopped ends with the one that started it, which %s",
  async (how) => {
    const file = JSON.stringify(new URL("./children.ts", import.meta.url).href);
    const program = `
    const { spawnChild } = await import(${file});
    const child = spawnChild(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    child.kill("SIGSTOP");
    process.stdout.write(child.pid + "\\n", () => { if (${how === "exits"}) process.exit(3); else throw new Error("on purpose"); });`;
    const parent = spawn(process.execPath, [...conditions(), "--input-type=module", "-e", program]);
    let said = "";
    parent.stdout.on("data", (data: Buffer) => (said += data.toString()));
    const [code] = (await once(parent, "close")) as [number];
    expect(code).toBe(how === "exits" ? 3 : 1);
    const pid = Number(said);
    expect(pid).toBeGreaterThan(1);
    await expect.poll(() => isAlive(pid), { timeout: 5000 }).toBe(false);
  },
);
