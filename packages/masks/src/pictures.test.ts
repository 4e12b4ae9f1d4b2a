import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";

it("draws the pictures of the README as they are", async () => {
  const drawn = mkdtempSync(join(tmpdir(), "masks-"));
  vi.spyOn(console, "log").mockImplementation(() => {});
  const given = process.argv[2];
  process.argv[2] = drawn;
  try {
    await import("../examples/patterns.ts");
    const stored = join(import.meta.dirname, "../pictures");
    const names = readdirSync(drawn).sort();
    expect(readdirSync(stored).sort()).toEqual(names);
    for (const name of names) {
      const [now, then] = [drawn, stored].map((folder) => readFileSync(join(folder, name), "utf8"));
      expect(now, `${name}: run examples/patterns.ts pictures`).toBe(then);
    }
  } finally {
    if (given === undefined) process.argv.length = 2;
    else process.argv[2] = given;
    vi.restoreAllMocks();
    rmSync(drawn, { recursive: true });
  }
});
