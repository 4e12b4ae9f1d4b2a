import type { Tensor } from "@heed/tensor";
import type { Vector } from "./vector.ts";

/** How an operator of ONNX maps onto the packages. */
export interface Operator {
  /** What is called, and where ONNX's meaning differs from ours: printed with the scoreboard. */
  readonly mapping: readonly string[];
  /** Outputs in the operator's order. */
  run(vector: Vector): readonly (Tensor | undefined)[];
}

/** Thrown for a case that the packages cannot express; the message is the reason. */
export class Unsupported extends Error {}

export function numberOf({ attributes }: Vector, name: string, otherwise: number): number {
  const value = attributes[name];
  return typeof value === "number" ? value : otherwise;
}

export function numbersOf({ attributes }: Vector, name: string, otherwise: readonly number[]): readonly number[] {
  const value = attributes[name];
  return Array.isArray(value) ? (value as number[]) : otherwise;
}

export function textOf({ attributes }: Vector, name: string, otherwise: string): string {
  const value = attributes[name];
  return typeof value === "string" ? value : otherwise;
}

/** Attributes that are 0 and 1, or booleans. */
export function flagOf({ attributes }: Vector, name: string): boolean {
  return attributes[name] === 1 || attributes[name] === true;
}

export function inputOf({ inputs, name }: Vector, at: number): Tensor {
  const tensor = inputs[at];
  if (tensor === undefined) throw new Error(`${name} lacks its input ${at}`);
  return tensor;
}
