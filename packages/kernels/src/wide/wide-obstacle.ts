import { wasm } from "#wasm/probe";
import { features } from "../features.ts";
import type { ProbeKernels } from "../probe/probe.ts";
import { TILE_COLUMNS, TILE_ROWS } from "../probe/sizes.ts";
import { compileWide, engineFlags } from "./compile-wide.ts";

const refused: string[] = [];
let found: { readonly obstacle: string | undefined } | undefined;

/** Why the wide build cannot run here, or `undefined` when it can: asked once, by a tile of a matrix product, in about 5 ms, 40 where it finds no gain. */
export function wideObstacle(): string | undefined {
  return (found ??= { obstacle: findObstacle() }).obstacle;
}

/** Notes that the engine gets the wide kernels of a family wrong, so that the relaxed ones run. */
export function refuseWide(family: string): void {
  refused.push(family);
}

/** Whether the wide build can run: "on", with the families that are left out of it, or why not. */
export function wideState(): string {
  const obstacle = wideObstacle();
  if (obstacle !== undefined) return obstacle;
  return refused.length === 0 ? "on" : `on, except ${refused.join(", ")}: the engine computes something else with it`;
}

const STEPS = 256;
/** Pairs make a tile 1.9 times as fast; where they stay apart it has too few registers, and takes longer than a narrow one. */
const LEAST_GAIN = 1.4;
/** Calls per sample, and samples before the gain is judged. A core that is shared hides it from short looks: up to `MOST_LOOKS` times it is looked at again. */
const [CALLS, SAMPLES, MOST_LOOKS] = [40, 15, 20] as const;

function findObstacle(): string | undefined {
  if (engineFlags() === undefined) return "it needs Node.js 24 to 26";
  if (!features().relaxedSimd) return "the engine has no relaxed SIMD";
  const [wideBytes, narrowBytes] = [wasm("wide"), wasm("relaxed")];
  if (!(wideBytes instanceof Uint8Array) || !(narrowBytes instanceof Uint8Array)) return "the wide modules were left out by a bundler";
  try {
    // With a custom section the bytes are new, so that code which the engine has of them already is not taken.
    return compare(prepare(compileWide(wideBytes)), prepare(compileWide(Uint8Array.from([...narrowBytes, 0, 2, 1, 120]), false)));
  } catch (error) {
    return `the engine refuses: ${error instanceof Error ? error.message : String(error)}`;
  }
}

interface Prepared {
  readonly run: () => void;
  readonly result: Float32Array;
}

function prepare(module: WebAssembly.Module): Prepared {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const { tile } = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as ProbeKernels;
  const data = new Float32Array(memory.buffer);
  const [a, b, c] = [0, 4 * TILE_ROWS * STEPS, 4 * (TILE_ROWS + TILE_COLUMNS) * STEPS];
  for (let i = 0; i < c / 4; i++) data[i] = ((i * 37) % 101) / 50 - 1;
  return { run: () => tile(STEPS, a, b, c), result: data.subarray(c / 4, c / 4 + TILE_ROWS * TILE_COLUMNS) };
}

function compare(wide: Prepared, narrow: Prepared): string | undefined {
  let [wideTime, narrowTime, gain] = [Infinity, Infinity, 0];
  for (let look = 0; look < MOST_LOOKS && gain < LEAST_GAIN; look++) {
    for (let sample = 0; sample < SAMPLES; sample++) {
      wideTime = Math.min(wideTime, timed(wide.run));
      narrowTime = Math.min(narrowTime, timed(narrow.run));
    }
    gain = narrowTime / wideTime;
  }
  if (wide.result.some((value, index) => value !== narrow.result[index])) return "the engine computes something else with it";
  return gain >= LEAST_GAIN ? undefined : `the engine's flag has no effect (speed × ${gain.toFixed(2)})`;
}

function timed(run: () => void): number {
  const start = performance.now();
  for (let call = 0; call < CALLS; call++) run();
  return performance.now() - start;
}
