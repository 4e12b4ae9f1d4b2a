import { DTypeError, ShapeError, type Tensor } from "@heed/tensor";

/** Query `[…, L, Dq]` and key `[…, S, Dk]`: at least two axes and one dtype; equal widths unless the score allows others. */
export function requireQueryKey(where: string, query: Tensor, key: Tensor, widths: "equal" | "any" = "equal"): void {
  if (query.rank < 2 || key.rank < 2) {
    throw new ShapeError(
      where,
      "query and key need at least the axes [length, width]",
      { query: query.shape, key: key.shape },
      "Add an axis: unsqueeze(x, 0).",
    );
  }
  if (query.dtype !== key.dtype)
    throw new DTypeError(where, "query and key must share a dtype", { query: query.dtype, key: key.dtype }, "Cast one: cast(x, dtype).");
  if (widths === "equal" && query.shape.at(-1) !== key.shape.at(-1)) {
    throw new ShapeError(
      where,
      "query and key must share width D (axis -1)",
      { query: query.shape, key: key.shape },
      "Project one of them, or use bilinear or additive scores.",
    );
  }
}

/**
 * A parameter of an exact shape; `null` stands for any length. With `query` `[…, H, L, Dq]` it may have one more axis in front, for heads: 1 or H.
 */
export function requireParameter(where: string, name: string, value: Tensor, shape: readonly (number | null)[], query?: Tensor): void {
  const own = query !== undefined && value.rank === shape.length + 1 ? value.shape.slice(1) : value.shape;
  const heads = query?.shape.at(-3) ?? 1;
  const fits = own.length === shape.length && shape.every((n, i) => n === null || n === own[i]);
  if (fits && (own.length === value.rank || value.shape[0] === 1 || value.shape[0] === heads)) return;
  const expected = shape.map((n) => n ?? "any");
  const perHead = query === undefined ? {} : { "or per head": [heads, ...expected] };
  throw new ShapeError(where, `${name} has the wrong shape`, { expected, ...perHead, [name]: value.shape });
}
