import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "heed-lint-"));
  const config = JSON.parse(readFileSync(join(root, ".oxlintrc.json"), "utf8"));
  config.jsPlugins = [join(import.meta.dirname, "portable-math.ts")];
  writeFileSync(join(folder, ".oxlintrc.json"), JSON.stringify(config));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The lines of `code` that the repository's lint configuration finds fault with, were it in that file. */
function faults(file: string, code: string): number[] {
  const path = join(folder, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, code);
  const oxlint = join(root, "node_modules/.bin/oxlint");
  const { stdout } = spawnSync(oxlint, ["--format=json", file], { cwd: folder, encoding: "utf8" });
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; labels: { span: { line: number } }[] }[] };
  return diagnostics
    .filter(({ code: rule }) => rule.includes("portable-math"))
    .map(({ labels }) => labels[0]!.span.line)
    .sort((a, b) => a - b);
}

const code = [
  "export const a = Math.exp(1);",
  'export const b = Math["log"](1);',
  "export const { sin, max } = Math;",
  "export const c = Math.random();",
  "export const d = globalThis.Math.pow(2, 3);",
  "export const e = a ** 3;",
  "export const fine = Math.sqrt(2) + Math.max(1, 2) + Math.fround(3) + 2 ** 32;",
].join("\n");

it("finds each way to the engine's own transcendental functions and random numbers, and no more", () => {
  expect(faults("packages/masks/src/planted.ts", code)).toEqual([1, 2, 3, 4, 5, 6]);
});

it.each([
  "packages/masks/src/planted/reference.ts",
  "packages/masks/src/planted.test.ts",
  "packages/masks/src/planted.bench.ts",
  "apps/bench/src/planted.ts",
])("leaves %s alone", (file) => {
  expect(faults(file, code)).toEqual([]);
});
