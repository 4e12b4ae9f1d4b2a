import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { readSafetensors, type Tensor } from "@heed/tensor";

/** An attribute of a node, as the folder's README writes them in JSON. */
export type Attribute = number | string | boolean | readonly Attribute[] | { readonly graph: Graph };

/** A graph that is an attribute: nodes in order of evaluation. */
export interface Graph {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly initializers: Readonly<
    Record<string, { readonly elementType: number; readonly shape: readonly number[]; readonly values: readonly (number | string)[] }>
  >;
  readonly nodes: readonly {
    readonly opType: string;
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
    readonly attributes: Readonly<Record<string, Attribute>>;
  }[];
}

/** One case: what an operator is given, and what it must give. */
export interface Vector {
  readonly operator: string;
  readonly name: string;
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** In the operator's order; `undefined` where one is left out. */
  readonly inputs: readonly (Tensor | undefined)[];
  readonly outputs: readonly { readonly name: string; readonly expected: Tensor | undefined }[];
  /** |got − want| ≤ tolerance · (1 + |want|) */
  readonly tolerance: number;
}

/** Names of the folders that hold vectors. */
export function operatorsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => statSync(join(folder, name)).isDirectory() && vectorsIn(folder, name).length > 0)
    .sort();
}

export function vectorsIn(folder: string, operator: string): string[] {
  return readdirSync(join(folder, operator))
    .filter((name) => name.endsWith(".safetensors"))
    .sort();
}

export function readVector(folder: string, operator: string, file: string): Vector {
  const { tensors, metadata } = readSafetensors(readFileSync(join(folder, operator, file)));
  const list = (name: string) => JSON.parse(metadata[name] ?? "[]") as string[];
  const name = metadata.case ?? file.replace(/\.safetensors$/, "");
  const outputs = list("outputs").map((each) => ({ name: each, expected: each === "" ? undefined : tensors[each] }));
  return {
    operator,
    name,
    attributes: JSON.parse(metadata.attributes ?? "{}") as Vector["attributes"],
    inputs: list("inputs").map((each) => (each === "" ? undefined : tensors[each])),
    outputs,
    tolerance: toleranceOf(name, Object.keys(JSON.parse(metadata.converted ?? "{}") as object).length > 0, outputs),
  };
}

/** The table "How close" of the folder's README, for results that are computed in the dtype that the case stores. */
function toleranceOf(name: string, converted: boolean, outputs: Vector["outputs"]): number {
  if (converted) return 1e-3;
  if (outputs.some(({ expected }) => expected?.dtype === "float64")) return 1e-12;
  return name.startsWith("extra_attention_large_scores") ? 2e-5 : 2e-6;
}
