import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

it("draws the picture of the README as it is", () => {
  const root = join(import.meta.dirname, "..");
  const drawn = mkdtempSync(join(tmpdir(), "positional-"));
  try {
    execFileSync(process.execPath, ["--conditions=@heed/source", join(root, "examples/draw.ts"), drawn]);
    const [now, stored] = [drawn, join(root, "pictures")].map((folder) => readFileSync(join(folder, "positions.svg"), "utf8"));
    expect(now === stored, "run examples/draw.ts pictures").toBe(true);
  } finally {
    rmSync(drawn, { recursive: true });
  }
});
