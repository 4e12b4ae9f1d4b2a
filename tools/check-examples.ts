import { execFileSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";

/** Runs every `packages/<name>/examples/<example>.ts` on the built packages, as a reader would. Ends with `N passed, N failed`. */
const root = join(import.meta.dirname, "..");
const only = process.argv[2] ?? "";
const examples = globSync("packages/*/examples/*.ts", { cwd: root })
  .filter((path) => path.includes(only))
  .sort();
let failed = 0;
for (const example of examples) {
  try {
    execFileSync(process.execPath, [join(root, example)], { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
    console.log(`ok   ${example}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${example}\n${(error as { stderr: string }).stderr.trimEnd()}`);
  }
}
console.log(`${examples.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
