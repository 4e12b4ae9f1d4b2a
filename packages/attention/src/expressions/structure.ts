import type { Tensor } from "@heed/tensor";
import type { Expression } from "@heed/tensor/terms";
import { differentiate } from "./differentiate.ts";
import type { Expr } from "./expr.ts";
import { formsOf } from "./form.ts";

/** A part of an expression that reads a table. */
export type Lookup = Expression & { readonly op: "lookup" };

/** An expression and its derivatives without their numbers and tables: what kernels are made for. */
export interface Structure {
  /** Every different part once, operands before what they are part of. */
  readonly parts: readonly Expression[];
  readonly value: Expression;
  /** Derivative by the score; undefined: it is 1. */
  readonly slope: Expression | undefined;
  /** Derivatives by what is read of learned tables. */
  readonly lookups: readonly { readonly lookup: Lookup; readonly derivative: Expression }[];
  /** Which of the numbers a constant is, and how many there are. */
  readonly numberOf: ReadonlyMap<Expression, number>;
  readonly numbers: number;
  /** Axes of each table. */
  readonly ranks: readonly number[];
}

/** A structure, its name, and what it leaves out. */
export interface Structured {
  /** Equal for equal structures. */
  readonly key: string;
  readonly structure: Structure;
  readonly numbers: readonly number[];
  readonly tables: readonly Tensor[];
}

/** Takes an expression apart. Whether a table is learned belongs to the structure, its shape does not. */
export function structureOf(root: Expr): Structured {
  const derivatives = differentiate(root);
  const learned = derivatives.lookups.filter(({ table }) => table.requiresGrad);
  const roots = [root, derivatives.score, ...learned.flatMap(({ lookup, derivative }) => [lookup, derivative])];
  const { expressions, tables } = formsOf(roots);
  const ranks = tables.map(({ rank }) => rank);
  const [value, slope, ...rest] = expressions;

  const numbers: number[] = [];
  const names: string[] = [];
  const numberOf = new Map<Expression, number>();
  const places = new Map<Expression, number>();
  const texts: string[] = [];
  const text = (x: Expression): string => {
    if (x.op === "constant") {
      const name = `${x.type} ${Object.is(x.value, -0) ? "-0" : x.value}`;
      if (!names.includes(name)) {
        names.push(name);
        numbers.push(x.value);
      }
      numberOf.set(x, names.indexOf(name));
      return `${x.type}${names.indexOf(name)}`;
    }
    if (x.op === "variable") return x.name;
    if (x.op === "lookup") return `${x.type}t${x.table}[${x.indices.map(walk).join()}]${x.outside ?? ""}`;
    const divisor = isDivision(x) && x.operands[1].op === "constant" ? `#${x.operands[1].value}` : "";
    return `${x.op}${x.type}(${x.operands.map(walk).join()})${divisor}`;
  };
  const walk = (x: Expression): number => {
    const known = places.get(x);
    if (known !== undefined) return known;
    const own = text(x);
    places.set(x, places.size);
    texts.push(own);
    return places.size - 1;
  };
  const ofRoots = expressions.map(walk);
  const isOne = slope.op === "constant" && slope.value === 1;
  return {
    key: [ofRoots.join(), isOne, ranks.join(), ...texts].join(";"),
    structure: {
      parts: [...places.keys()],
      value,
      slope: isOne ? undefined : slope,
      lookups: learned.map((_, n) => ({ lookup: rest[2 * n] as Lookup, derivative: rest[2 * n + 1] })),
      numberOf,
      numbers: numbers.length,
      ranks,
    },
    numbers,
    tables,
  };
}

/** Divisions of ints are made for their divisor where that is a number. */
export function isDivision({ op }: Expression): boolean {
  return op === "floorDiv" || op === "mod";
}

/** Parts that others are made of, themselves included: operands first. */
export function partsOf(structure: Structure, roots: readonly Expression[]): Expression[] {
  const wanted = new Set<Expression>();
  const walk = (x: Expression) => {
    if (wanted.has(x)) return;
    wanted.add(x);
    operandsOf(x).forEach(walk);
  };
  roots.forEach(walk);
  return structure.parts.filter((x) => wanted.has(x));
}

export function operandsOf(x: Expression): readonly Expression[] {
  if (x.op === "lookup") return x.indices;
  return x.op === "constant" || x.op === "variable" ? [] : x.operands;
}
