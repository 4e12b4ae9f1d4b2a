import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

it("draws the pictures of the README as they are", () => {
  const root = join(import.meta.dirname, "..");
  const drawn = mkdtempSync(join(tmpdir(), "masks-"));
  try {
    execFileSync(process.execPath, ["--conditions=@heed/source", join(root, "examples/patterns.ts"), drawn]);
    const names = readdirSync(drawn).sort();
    expect(readdirSync(join(root, "pictures")).sort()).toEqual(names);
    for (const name of names)
      expect(readFileSync(join(root, "pictures", name), "utf8"), `${name}: run examples/patterns.ts pictures`).toBe(
        readFileSync(join(drawn, name), "utf8"),
      );
  } finally {
    rmSync(drawn, { recursive: true });
  }
});
