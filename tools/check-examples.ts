import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Runs every `packages/<name>/examples/<example>.ts`, and the first example of every package's README, on the built packages, as a reader would. Ends
 * with `N passed, N failed`.
 */
const root = join(import.meta.dirname, "..");
const only = process.argv[2] ?? "";
const paths = globSync(["packages/*/examples/*.ts", "packages/*/README.md"], { cwd: root })
  .filter((path) => path.includes(only))
  .sort();
let failed = 0;
for (const path of paths) {
  const file = join(root, path);
  const what = path.endsWith(".md") ? ["--input-type=module-typescript", "--eval", firstExample(readFileSync(file, "utf8"))] : [file];
  try {
    execFileSync(process.execPath, what, { cwd: dirname(file), stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
    console.log(`ok   ${path}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${path}\n${(error as { stderr: string }).stderr.trimEnd()}`);
  }
}
console.log(`${paths.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

/** The first lines that are indented by four, with empty ones between; one that is missing fails. */
function firstExample(readme: string): string {
  const found = /(?:^ {4}.*\n(?:[^\S\n]*\n(?= {4}))*)+/m.exec(readme)?.[0];
  return found === undefined ? `throw new Error("this README shows no example")` : found.replaceAll(/^ {4}/gm, "");
}
