import { backend, configure, threads } from "@heed/kernels";
import { eachBackend } from "@heed/tensor/testing";
import { goldenFaults } from "./golden.ts";
import { laws } from "./laws.ts";
import { trainAndHash } from "./train.ts";

/** What an engine is asked to do. */
export interface Task {
  /** Deterministic training steps, on that many threads. */
  readonly train?: { readonly steps: number; readonly threads: number };
  /** The folder of golden cases; where there is no file system also the address of each file. */
  readonly golden?: { readonly directory: string; readonly files?: Readonly<Record<string, string>> };
  /** The laws, on every build. */
  readonly laws?: boolean;
}

export interface Report {
  readonly hash?: string;
  readonly loss?: number;
  readonly milliseconds: number;
  /** How many threads took part. */
  readonly threads: number;
  /** Golden cases and laws. */
  readonly passed: number;
  readonly faults: readonly string[];
}

/** What runs on every engine: a bundle of the built packages, without a test runner. */
export async function run({ train, golden, laws: withLaws = false }: Task): Promise<Report> {
  const start = performance.now();
  const faults: string[] = [];
  let passed = 0;
  let trained: { hash: string; loss: number } | undefined;
  configure({ threads: train?.threads ?? 1 });
  const taking = await threads.ready();
  if (train !== undefined) {
    configure({ precision: "deterministic" });
    trained = await trainAndHash(train.steps);
    configure({ precision: "fast" });
  }
  if (golden !== undefined) {
    const found = await goldenFaults(golden.directory, golden.files);
    passed += found.passed;
    faults.push(...found.faults);
  }
  for (const { name: build, use } of withLaws ? eachBackend() : []) {
    for (const [name, law] of Object.entries(laws)) {
      try {
        use(law);
        passed++;
      } catch (error) {
        faults.push(`${build}: ${name}: ${String(error)}`);
      }
    }
  }
  const after = backend().threads;
  configure({ threads: 1 }); // Ends the workers.
  return { ...trained, milliseconds: performance.now() - start, threads: Math.min(taking, after), passed, faults };
}
