import { HeedError } from "@heed/tensor";

/** Whole numbers; or such a list per sample. */
export type Lists = ArrayLike<number> | readonly ArrayLike<number>[];

/**
 * One list for all, or one per sample.
 * @throws {HeedError} for what is no whole number.
 */
export function listsOf(where: string, name: string, given: Lists): Int32Array[] {
  const nested = (given.length > 0 && typeof given[0] !== "number" ? given : [given]) as readonly ArrayLike<number>[];
  return nested.map((list) => {
    const own = Int32Array.from(list);
    for (let i = 0; i < own.length; i++) {
      if (own[i] !== list[i]) throw new HeedError(where, `${name} must be whole numbers`, { [`${name}[${i}]`]: list[i] });
    }
    return own;
  });
}
