import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { absent, engines, type Engine } from "./engines/engines.ts";
import type { Report, Task } from "./engines/program.ts";

/**
 * Runs one bundle of the built packages on every engine: 200 deterministic training steps, with 1 and 2 threads, which must end in one and the
 * same SHA-256 of the parameters; and on engines that no test runner reaches the golden cases and laws besides. Arguments narrow it to engines
 * whose name contains one of them. Ends with `N passed, N failed[, N skipped]`.
 */
const STEPS = 200;
const root = join(import.meta.dirname, "..");
const wanted = process.argv.slice(2).map((word) => word.toLowerCase());
const isWanted = (name: string) => wanted.length === 0 || wanted.some((word) => name.toLowerCase().includes(word));

const folder = mkdtempSync(join(tmpdir(), "heed-engines-"));
const total = { passed: 0, failed: 0 };
const hashes = new Map<string, string[]>();
try {
  await build({
    entryPoints: [join(import.meta.dirname, "engines/program.ts")],
    outfile: join(folder, "program.mjs"),
    bundle: true,
    format: "esm",
    platform: "neutral",
    logLevel: "error",
  });
  writeFileSync(
    join(folder, "main.mjs"),
    `import { run } from "./program.mjs";\nconsole.log(JSON.stringify(await run(JSON.parse(process.argv.at(-1)))));\nprocess.exit(0);\n`,
  );
  for (const engine of engines.filter(({ name }) => isWanted(name))) {
    for (const threads of [1, 2]) await train(engine, threads);
    if (!engine.name.startsWith("Node")) await check(engine);
  }
  for (const name of absent.filter(isWanted)) console.log(`skip ${name}: it is not here`);
  if (hashes.size > 1) {
    total.failed++;
    console.log(`FAIL hashes differ:\n${[...hashes].map(([hash, names]) => `     ${hash}: ${names.join("; ")}`).join("\n")}`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
const skipped = absent.filter(isWanted).length;
console.log(`${total.passed} passed, ${total.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = total.failed > 0 ? 1 : 0;

async function train(engine: Engine, threads: number): Promise<void> {
  const title = `${engine.name}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  const report = await attempt(title, engine, { train: { steps: STEPS, threads } });
  if (report === undefined) return;
  const { hash, loss, milliseconds, threads: took } = report;
  const isRight = took === threads;
  console.log(
    `${isRight ? "ok  " : "FAIL"} ${title}: ${hash}, loss ${loss?.toFixed(4)}, ${(milliseconds / 1000).toFixed(1)} s${isRight ? "" : `; ${took} took part`}`,
  );
  if (isRight) total.passed++;
  else total.failed++;
  hashes.set(hash!, [...(hashes.get(hash!) ?? []), title]);
}

async function check(engine: Engine): Promise<void> {
  const title = `${engine.name}, golden cases and laws`;
  const report = await attempt(title, engine, { golden: { directory: join(root, "golden") }, laws: true });
  if (report === undefined) return;
  const { passed, faults, milliseconds } = report;
  console.log(
    [
      `${faults.length === 0 ? "ok  " : "FAIL"} ${title}: ${passed} passed, ${faults.length} failed, ${(milliseconds / 1000).toFixed(1)} s`,
      ...faults,
    ].join("\n     "),
  );
  total.passed += passed;
  total.failed += faults.length;
}

async function attempt(title: string, engine: Engine, task: Task): Promise<Report | undefined> {
  try {
    return await engine.run(task, folder);
  } catch (error) {
    total.failed++;
    const { stdout = "", stderr = "", message } = error as { stdout?: string; stderr?: string; message: string };
    console.log(`FAIL ${title}\n     ${(stdout + stderr || message).trim().replaceAll("\n", "\n     ")}`);
    return undefined;
  }
}
