import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";

it("draws the picture of the README as it is", async () => {
  const drawn = mkdtempSync(join(tmpdir(), "positional-"));
  vi.spyOn(console, "log").mockImplementation(() => {});
  const given = process.argv[2];
  process.argv[2] = drawn;
  try {
    await import("../examples/draw.ts");
    const stored = join(import.meta.dirname, "../pictures");
    const [now, then] = [drawn, stored].map((folder) => readFileSync(join(folder, "positions.svg"), "utf8"));
    expect(now === then, "run examples/draw.ts pictures").toBe(true);
  } finally {
    if (given === undefined) process.argv.length = 2;
    else process.argv[2] = given;
    vi.restoreAllMocks();
    rmSync(drawn, { recursive: true });
  }
});
