import { DTypeError, ShapeError } from "@heed/kernels";
import { packed } from "../../core/compute.ts";
import { requireTensor, type Tensor } from "../../core/tensor.ts";

/**
 * int32 indices, dense, each of them checked to be from 0 to `length − 1`.
 * @throws {DTypeError} for another dtype; {ShapeError} that names the first index out of range and where it stands.
 */
export function checkedIndices(where: string, name: string, index: Tensor, length: number): Tensor {
  requireTensor(where, name, index);
  if (index.dtype !== "int32") throw new DTypeError(where, `${name} must be int32`, { [name]: index.dtype }, 'Convert: cast(x, "int32").');
  const dense = packed(index);
  const values = dense.storage.read(where);
  const end = dense.offset + dense.size;
  for (let i = dense.offset; i < end; i++) {
    if (values[i] >= 0 && values[i] < length) continue;
    throw new ShapeError(
      where,
      `${name} must be from 0 to ${length - 1}`,
      { [`${name} ${i - dense.offset} (row-major)`]: values[i], shape: index.shape },
      values[i] < 0 ? "Negative indices do not count from the end here." : "",
    );
  }
  return dense;
}
