import { HeedError, normal, tensor, type RandomKey, type Tensor } from "@heed/tensor";

/**
 * Directions for random features: rows that are normally distributed one by one, and orthogonal within each block of `width` rows, which
 * makes what they estimate vary less. The last block may have fewer rows.
 * @param key the same key gives the same rows
 * @returns float32 or float64 `[numFeatures, width]`
 * @throws {HeedError} for counts that are no whole numbers from 1 on.
 *
 * Gram–Schmidt in double precision. Time O(numFeatures · width²).
 * @see Yu et al. 2016 (arXiv:1610.09072); Choromanski et al. 2021, §2.4 (arXiv:2009.14794)
 */
export function orthogonalFeatures(
  key: RandomKey,
  numFeatures: number,
  width: number,
  { dtype = "float32" }: { readonly dtype?: "float32" | "float64" } = {},
): Tensor {
  for (const [name, n] of Object.entries({ numFeatures, width })) {
    if (!Number.isInteger(n) || n < 1) throw new HeedError("orthogonalFeatures", `${name} must be a whole number from 1 on`, { [name]: n });
  }
  const draw = (name: string) => Float64Array.from(normal(key.split(name), [numFeatures, width], { dtype: "float64" }).toTypedArray());
  const rows = draw("directions");
  const lengths = draw("lengths"); // A normal row's own length is independent of where it points.
  for (let r = 0; r < numFeatures; r++) {
    const row = rows.subarray(r * width, (r + 1) * width);
    const block = r - (r % width);
    // Twice: the first pass leaves rounding errors along the rows before, the second takes those away.
    for (let pass = 0; pass < 2; pass++) {
      for (let other = block; other < r; other++) {
        const before = rows.subarray(other * width, (other + 1) * width);
        const along = dot(row, before);
        for (let d = 0; d < width; d++) row[d] -= along * before[d];
      }
    }
    scale(row, 1 / Math.sqrt(dot(row, row)));
  }
  for (let r = 0; r < numFeatures; r++) {
    const length = lengths.subarray(r * width, (r + 1) * width);
    scale(rows.subarray(r * width, (r + 1) * width), Math.sqrt(dot(length, length)));
  }
  return tensor(rows, { shape: [numFeatures, width], dtype });
}

function dot(a: Float64Array, b: Float64Array): number {
  let total = 0;
  for (let d = 0; d < a.length; d++) total += a[d] * b[d];
  return total;
}

function scale(row: Float64Array, by: number): void {
  for (let d = 0; d < row.length; d++) row[d] *= by;
}
