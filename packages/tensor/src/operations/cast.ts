import { convertKernels, DTypeError, float32View, float64View, int32View, uint8View, type ConvertKernels } from "@heed/kernels";
import { computeOne, packed } from "../core/compute.ts";
import { bytesPer, isReal, type DType } from "../core/dtype.ts";
import { sizeOf } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { widened } from "./widened.ts";

/**
 * The same values in another dtype, any shape; `x` itself when it has it.
 *
 * To a narrower real type rounds to nearest, ties to even, beyond its range to ∞. Real to integer drops the fraction, takes
 * NaN to 0, and what is out of range to the nearest int32; to uint8 then modulo 256. To `bool`: everything but 0 is true,
 * NaN too. Differentiable between float32 and float64.
 * @throws {DTypeError} for an unknown dtype.
 *
 * Time O(size of x).
 * @see PyTorch's `Tensor.to`
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  requireTensor("cast", "x", x);
  if (x.dtype === dtype) return x;
  if (!Object.hasOwn(table, dtype)) throw new DTypeError("cast", `dtype is one of ${Object.keys(table).join(", ")}`, { dtype });
  const out = convert(x, dtype);
  return isReal(x.dtype) && isReal(dtype) ? record("cast", out, [x], [], (g) => [cast(g, x.dtype)]) : out;
}

function convert(stored: Tensor, dtype: DType): Tensor {
  const x = widened(stored);
  if (x.dtype === dtype) return x;
  if (dtype === "bool") return truth(x);
  const direct = table[x.dtype][dtype];
  if (direct === undefined) return convert(convert(x, dtype === "float16" || dtype === "bfloat16" ? "float32" : "int32"), dtype);
  const kernel = convertKernels.on("float32")[direct];
  return computeOne("cast", [packed(x)], x.shape, dtype, ([read], write) => {
    if (x.size > 0) kernel(read, write, x.size);
  });
}

/** Direct conversions. The others go through float32 to half precision, else through int32. */
const table: Readonly<Record<DType, Partial<Record<DType, keyof ConvertKernels>>>> = {
  float16: {},
  bfloat16: {},
  float32: { float16: "floatToHalf", bfloat16: "floatToBrain", float64: "floatToDouble", int32: "floatToInt" },
  float64: { float32: "doubleToFloat", int32: "doubleToInt" },
  int32: { float32: "intToFloat", float64: "intToDouble", uint8: "intToByte" },
  uint8: { float32: "byteToFloat", int32: "byteToInt" },
  bool: { float32: "byteToFloat", int32: "byteToInt" },
};

function truth(x: Tensor): Tensor {
  const dense = packed(x);
  return computeOne("cast", [dense], x.shape, "bool", ([read], write) => {
    const bytes = uint8View();
    const source =
      x.dtype === "float32" ? float32View() : x.dtype === "float64" ? float64View() : x.dtype === "int32" ? int32View() : bytes;
    const start = read / bytesPer(x.dtype);
    for (let i = 0; i < sizeOf(x.shape); i++) bytes[write + i] = source[start + i] === 0 ? 0 : 1;
  });
}
