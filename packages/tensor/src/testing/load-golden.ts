import { FormatError } from "@heed/kernels";
import { sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { readSafetensors } from "../safetensors/read.ts";

type Tensors = Readonly<Record<string, Tensor>>;

/** `|actual − expected| ≤ atol + rtol · |expected|`. */
export interface GoldenTolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** One stored computation; the folder's README says what each `op` with its `options` computes. */
export interface GoldenCase {
  readonly package: string;
  readonly name: string;
  readonly op: string;
  /** `extra` cases cover options that an implementation may leave out. */
  readonly tier: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** What computed it, with version. */
  readonly source: string;
  readonly inputs: Tensors;
  readonly params: Tensors;
  /** Inputs that a float64 run takes instead: those that float32 does not hold exactly. */
  readonly inputs64: Tensors;
  readonly outputs: Tensors;
  /** Cotangents of the results; a result without one takes no part in the gradients. */
  readonly cotangents: Tensors;
  /** By the names of inputs, and of parameters as `param.<name>`. */
  readonly gradients: Tensors;
  /** The same in float64, where stored. */
  readonly outputs64: Tensors;
  readonly gradients64: Tensors;
  /** The only result, where there is one. */
  readonly output: Tensor;
  /** Of `output`. */
  readonly tolerance: GoldenTolerance;
  /** Of any stored tensor, by its full name: `output.y`, `grad.x`, `grad64.x` … Integers and booleans are exact. */
  toleranceOf(name: string): GoldenTolerance;
}

export interface GoldenFilter {
  /** Only cases of this `op`, or of one of these. */
  readonly op?: string | readonly string[];
  /** Default: what the environment variable `GOLDEN_DIR` names, else the nearest folder `golden` at or above the working directory. */
  readonly directory?: string;
}

interface Index {
  readonly rtol: number;
  readonly made_with: Readonly<Record<string, string>>;
  readonly cases: readonly {
    readonly package: string;
    readonly case: string;
    readonly op: string;
    readonly tier: string;
    readonly file: string;
    readonly options: Readonly<Record<string, unknown>>;
    readonly tolerance: { readonly rtol: number; readonly atol: Readonly<Record<string, number>> };
  }[];
}

/**
 * The stored cases of a package, in the order of the folder's index. Needs Node.
 *
 * @throws {FormatError} when there is no such folder, or no case fits: a test list must not be empty by mistake.
 * @example it.each(loadGolden("tensor", { op: "softmax" }))("agrees with $source on $name", ({ inputs, output, tolerance }) => …);
 */
export function loadGolden(packageName: string, { op, directory = goldenDirectory() }: GoldenFilter = {}): GoldenCase[] {
  const { readFileSync } = node<FileSystem>("node:fs");
  const index = JSON.parse(readFileSync(`${directory}/index.json`, "utf8")) as Index;
  const source = Object.entries(index.made_with).map(([name, version]) => `${name} ${version}`)[0];
  const wanted = op === undefined ? undefined : [op].flat();
  const cases = index.cases.filter((entry) => entry.package === packageName && (wanted?.includes(entry.op) ?? true));
  if (cases.length === 0)
    throw new FormatError("loadGolden", "the folder has no such case", { directory, package: packageName, op: String(op) });
  return cases.map((entry) => {
    const { tensors } = readSafetensors(readFileSync(`${directory}/${entry.file}`));
    const under = (prefix: string) =>
      Object.fromEntries(
        Object.entries(tensors)
          .filter(([name]) => name.startsWith(prefix))
          .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
      );
    const outputs = under("output.");
    const [first] = Object.keys(outputs);
    const toleranceOf = (name: string): GoldenTolerance => {
      const { rtol, atol } = entry.tolerance;
      const expected = tensors[name];
      if (expected !== undefined && (expected.dtype === "int32" || expected.dtype === "uint8" || expected.dtype === "bool"))
        return { rtol: 0, atol: 0 };
      const kind = ["output64.", "grad64."].find((prefix) => name.startsWith(prefix));
      if (kind !== undefined) {
        // What cancels to exactly 0 has no magnitude of its own: what it cancelled from is as large as its neighbours.
        const own = largest(expected);
        const magnitude = own > 0 ? own : Math.max(...Object.values(under(kind)).map(largest));
        return { rtol: 1e-9, atol: 1e-9 * magnitude };
      }
      return { rtol, atol: atol[name] ?? 0 };
    };
    return {
      package: entry.package,
      name: entry.case,
      op: entry.op,
      tier: entry.tier,
      options: entry.options,
      source,
      inputs: under("input."),
      params: under("param."),
      inputs64: under("input64."),
      outputs,
      cotangents: under("cotangent."),
      gradients: under("grad."),
      outputs64: under("output64."),
      gradients64: under("grad64."),
      output: outputs[first],
      tolerance: toleranceOf(`output.${first}`),
      toleranceOf,
    };
  });
}

/** The folder that `loadGolden` reads when it is not told. */
export function goldenDirectory(): string {
  const { existsSync } = node<FileSystem>("node:fs");
  const { resolve, dirname } = node<Paths>("node:path");
  const { env, cwd } = host();
  if (env.GOLDEN_DIR !== undefined && env.GOLDEN_DIR !== "") return resolve(env.GOLDEN_DIR);
  for (let at = cwd(); ; at = dirname(at)) {
    if (existsSync(`${at}/golden/index.json`)) return `${at}/golden`;
    if (dirname(at) === at)
      throw new FormatError(
        "loadGolden",
        "there is no folder golden at or above the working directory",
        { directory: cwd() },
        "Set GOLDEN_DIR.",
      );
  }
}

function largest(tensor: Tensor | undefined): number {
  if (tensor === undefined || sizeOf(tensor.shape) === 0) return 0;
  return Array.from(tensor.toTypedArray()).reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
}

interface FileSystem {
  readFileSync(path: string): Uint8Array<ArrayBuffer>;
  readFileSync(path: string, encoding: "utf8"): string;
  existsSync(path: string): boolean;
}
interface Paths {
  resolve(path: string): string;
  dirname(path: string): string;
}
interface Host {
  readonly env: Readonly<Record<string, string | undefined>>;
  cwd(): string;
  getBuiltinModule(name: string): unknown;
}

// Asked for when needed rather than imported: the other helpers of this entry run in browsers too.
function host(): Host {
  const { process } = globalThis as { process?: Host };
  if (process === undefined) throw new FormatError("loadGolden", "golden files are read from disk, which needs Node");
  return process;
}

function node<T>(name: string): T {
  return host().getBuiltinModule(name) as T;
}
