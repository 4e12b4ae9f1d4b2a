import { DTypeError, HeedError, ShapeError, Tensor } from "@heed/tensor";
import type { TermContext } from "@heed/tensor/terms";
import { positionalBatches, type Extent } from "./interval-mask.ts";

/** A whole number, or an int32 tensor `[B]` or `[B | 1, H | 1]`: one per sample, per head, or both. */
export type Count = number | Tensor;

/** Whole numbers of a mask: the same for all, or one per sample, head, or both. */
export interface Numbers extends Extent {
  readonly name: string;
  /** One of them. */
  readonly one: string;
  /** What it reads as in the mask's name. */
  readonly text: string;
  at(b: number, h: number): number;
}

/**
 * @param where the function, for errors
 * @param name what the numbers are
 * @throws {DTypeError} {ShapeError} for another tensor than int32 `[B]` or `[B | 1, H | 1]`; {HeedError} for what is no whole number from `least` on,
 * saying `rule`.
 */
export function numbersOf(where: string, name: string, given: Count | ArrayLike<number>, least: number, rule: string, one = name): Numbers {
  const check = (value: number, label: string) => {
    if (!Number.isInteger(value) || value < least) throw new HeedError(where, rule, { [label]: value });
  };
  if (typeof given === "number") {
    check(given, name);
    return { name, one, text: String(given), samples: undefined, heads: undefined, at: () => given };
  }
  const isTensor = given instanceof Tensor;
  if (isTensor && given.dtype !== "int32")
    throw new DTypeError(
      where,
      `a tensor of ${name} is int32`,
      { [name]: given.dtype },
      "Make it of whole numbers: tensor(Int32Array.of(…)).",
    );
  if (isTensor && given.rank !== 1 && given.rank !== 2)
    throw new ShapeError(where, `a tensor of ${name} is [B], or [B | 1, H | 1]`, { [name]: given.shape });
  const values = isTensor ? (given.toTypedArray() as Int32Array) : Float64Array.from(given);
  values.forEach((value, i) => check(value, `${name}[${i}]`));
  const [rows, columns] = isTensor && given.rank === 2 ? (given.shape as readonly [number, number]) : [values.length, 1];
  return {
    name,
    one,
    text: name,
    samples: rows === 1 && isTensor && given.rank === 2 ? undefined : rows,
    heads: columns === 1 ? undefined : columns,
    at: (b, h) => values[(rows === 1 ? 0 : b) * columns + (columns === 1 ? 0 : h)],
  };
}

/** The samples and heads of everything that a mask is made of. */
export function extentOf(parts: readonly Extent[]): Extent {
  const [samples, heads] = (["samples", "heads"] as const).map((of) => parts.find((part) => part[of] !== undefined)?.[of]);
  return { samples, heads };
}

/**
 * How many samples and heads a mask of these numbers must tell apart in a call, where it does not ask where queries stand.
 * @throws {ShapeError} when there are not as many numbers as the call has samples or heads.
 */
export function fit(where: string, numbers: readonly Numbers[], context: TermContext): { batches: number; heads: number } {
  let [batches, heads] = [1, 1];
  for (const { name, one, samples, heads: own } of numbers) {
    requireSamples(where, one, { [name]: samples }, context);
    if (own !== undefined && own !== context.H)
      throw new ShapeError(
        where,
        `there must be one ${one} per head`,
        { "heads H": context.H, [name]: own },
        "Build the mask for this call's heads.",
      );
    batches = Math.max(batches, samples ?? 1);
    heads = Math.max(heads, own ?? 1);
  }
  return { batches, heads };
}

/** The same where it does. */
export function fitPositions(where: string, numbers: readonly Numbers[], context: TermContext): { batches: number; heads: number } {
  const { batches, heads } = fit(where, numbers, context);
  return { batches: Math.max(batches, positionalBatches(context)), heads };
}

/** @throws {ShapeError} when a mask is of another number of samples than the call. */
export function requireSamples(where: string, one: string, given: Readonly<Record<string, number | undefined>>, { B }: TermContext): void {
  for (const [name, samples] of Object.entries(given)) {
    if (samples === undefined || samples === B) continue;
    const rule = `there must be one ${one} per sample`;
    throw new ShapeError(where, rule, { "samples B": B, [name]: samples }, `Build the mask from this batch's ${name}.`);
  }
}
