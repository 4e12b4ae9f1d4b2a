import { loadGolden, type GoldenCase } from "@heed/tensor/testing";
import { Pending } from "../golden/operation.ts";
import { operations } from "../golden/operations/index.ts";
import { runCase } from "../golden/run-case.ts";

/** The golden cases of a folder, every way, on this engine. Where there is no file system, `files` holds what lies in the folder, by name. */
export async function goldenFaults(
  directory: string,
  files?: Readonly<Record<string, string>>,
): Promise<{ passed: number; faults: string[] }> {
  const cases = await loadAll(directory, files);
  const faults: string[] = [];
  let passed = 0;
  for (const golden of cases) {
    const found = faultsOf(golden);
    if (found === undefined) continue;
    if (found.length === 0) passed++;
    faults.push(...found.map((fault) => `golden ${golden.package}/${golden.name}: ${fault}`));
  }
  return { passed, faults };
}

/** Sentences about what is off; `undefined` for what nobody computes yet. */
function faultsOf(golden: GoldenCase): string[] | undefined {
  const operation = operations[golden.op];
  if (operation === undefined) return undefined;
  try {
    return runCase(golden, operation);
  } catch (error) {
    return error instanceof Pending ? undefined : [String(error)];
  }
}

async function loadAll(directory: string, files: Readonly<Record<string, string>> | undefined): Promise<GoldenCase[]> {
  const load = () => {
    const index = readIndex(directory);
    return [...new Set(index.cases.map((each) => each.package))].flatMap((name) => loadGolden(name, { directory }));
  };
  if (files === undefined) return load();
  // What `loadGolden` asks of Node, for as long as it asks.
  const scope = globalThis as { process?: unknown };
  const contents = await Promise.all(
    Object.entries(files).map(
      async ([name, url]) => [`${directory}/${name}`, new Uint8Array(await (await fetch(url)).arrayBuffer())] as const,
    ),
  );
  const found = new Map<string, Uint8Array>(contents);
  const readFileSync = (path: string, encoding?: string) =>
    encoding === undefined ? found.get(path)! : new TextDecoder().decode(found.get(path));
  scope.process = { env: {}, getBuiltinModule: (name: string) => (name === "node:fs" ? { readFileSync } : undefined) };
  try {
    return load();
  } finally {
    delete scope.process;
  }
}

function readIndex(directory: string): { cases: { package: string }[] } {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: "node:fs"): { readFileSync(path: string, encoding: "utf8"): string } };
  };
  return JSON.parse(process.getBuiltinModule("node:fs").readFileSync(`${directory}/index.json`, "utf8")) as {
    cases: { package: string }[];
  };
}
