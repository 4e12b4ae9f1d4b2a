import { difference } from "./compare.ts";
import { Unsupported } from "./operator.ts";
import { operators } from "./operators/index.ts";
import { operatorsIn, readVector, vectorsIn, type Vector } from "./vector.ts";

export interface Row {
  readonly operator: string;
  /** Left out where no function of the packages is this operator: then nothing ran. */
  readonly mapping?: readonly string[];
  readonly vectors: number;
  readonly passed: number;
  readonly failed: readonly { readonly name: string; readonly reason: string }[];
  readonly unsupported: readonly { readonly name: string; readonly reason: string }[];
}

/** Runs the vectors of a folder; those of attention first. */
export function scoreboard(folder: string, only: readonly string[] | undefined): Row[] {
  const order = Object.keys(operators);
  const rank = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  return operatorsIn(folder)
    .filter((name) => only === undefined || only.includes(name))
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
    .map((name) => rowOf(folder, name));
}

function rowOf(folder: string, name: string): Row {
  const files = vectorsIn(folder, name);
  const operator = operators[name];
  if (operator === undefined) return { operator: name, vectors: files.length, passed: 0, failed: [], unsupported: [] };
  const [failed, unsupported]: { name: string; reason: string }[][] = [[], []];
  for (const file of files) {
    let title = file.replace(/\.safetensors$/, "");
    try {
      const vector = readVector(folder, name, file);
      title = vector.name;
      const faults = faultsOf(vector);
      if (faults.length > 0) failed!.push({ name: title, reason: faults.join("; ") });
    } catch (error) {
      const list = error instanceof Unsupported ? unsupported! : failed!;
      list.push({ name: title, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  const passed = files.length - failed!.length - unsupported!.length;
  return { operator: name, mapping: operator.mapping, vectors: files.length, passed, failed: failed!, unsupported: unsupported! };
}

/** A sentence for each output that is off. */
function faultsOf(vector: Vector): string[] {
  const results = operators[vector.operator]!.run(vector);
  const wanted = vector.outputs.flatMap(({ name, expected }, at) => (expected === undefined ? [] : [{ name, expected, got: results[at] }]));
  if (wanted.length === 0) return ["the file holds no expected output"];
  return wanted.flatMap(({ name, expected, got }) => {
    const fault = difference(got, expected, vector.tolerance);
    return fault === undefined ? [] : [`${name} ${fault}`];
  });
}
