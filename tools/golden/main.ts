import { existsSync, readFileSync } from "node:fs";
import { goldenDirectory, loadGolden, type GoldenCase } from "@heed/tensor/testing";
import { Pending } from "./operation.ts";
import { operations } from "./operations/index.ts";
import { runCase, ways } from "./run-case.ts";

/**
 * Runs every case of the folder GOLDEN_DIR (default `golden/`), values and gradients, on the reference, on every WebAssembly build and in
 * float64. Arguments narrow it to cases whose `<package>/<case>` or op contains one of them. Ends with `N passed, N failed, N pending`.
 */
const directory = goldenDirectory();
const wanted = process.argv.slice(2);
if (!existsSync(`${directory}/index.json`)) {
  console.error(`golden: ${directory} has no index.json. Set GOLDEN_DIR to a folder of golden cases.`);
  process.exit(1);
}
const index = JSON.parse(readFileSync(`${directory}/index.json`, "utf8")) as { cases: { package: string }[] };
const packages = [...new Set(index.cases.map((each) => each.package))];
const matches = (each: GoldenCase) =>
  wanted.length === 0 || wanted.some((word) => `${each.package}/${each.name}`.includes(word) || each.op === word);

let ran = 0;
let passed = 0;
let failed = 0;
const pending = new Map<string, string[]>();

for (const golden of packages.flatMap(load).filter(matches)) {
  ran++;
  const title = `${golden.package}/${golden.name}`;
  const outcome = attempt(golden);
  if (outcome instanceof Pending) {
    const reason = `${golden.op}: ${outcome.message}`;
    pending.set(reason, [...(pending.get(reason) ?? []), title]);
  } else if (outcome.length > 0) {
    failed++;
    console.log(`FAIL ${title}\n${outcome.map((fault) => `  ${fault.replaceAll("\n", "\n  ")}`).join("\n")}`);
  } else {
    passed++;
  }
}
for (const [reason, titles] of pending) console.log(`pending ${reason}\n  ${titles.join("\n  ")}`);
console.log(`${ran} cases of ${directory}, each on ${ways.map(({ name }) => name).join(", ")}`);
console.log(`${passed} passed, ${failed} failed, ${[...pending.values()].flat().length} pending`);
process.exitCode = failed > 0 || ran === 0 ? 1 : 0;

/** The cases of a package; where a file cannot be read, all of them count as failed. */
function load(name: string): GoldenCase[] {
  try {
    return loadGolden(name, { directory });
  } catch (error) {
    const count = index.cases.filter((each) => each.package === name).length;
    failed += count;
    console.log(`FAIL all ${count} cases of ${name}\n  ${(error as Error).message}`);
    return [];
  }
}

function attempt(golden: GoldenCase): string[] | Pending {
  const operation = operations[golden.op];
  if (operation === undefined) return new Pending("not there yet");
  try {
    return runCase(golden, operation);
  } catch (error) {
    if (error instanceof Pending) return error;
    return [(error as Error).stack ?? String(error)];
  }
}
