import { binaryKernels } from "@heed/kernels/light";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { applyBinary, operands, type Operand } from "./binary.ts";
import { sumTo } from "./sum-to.ts";

/**
 * `a + b`, with NumPy's broadcasting; either may be a number.
 * @throws {ShapeError} when shapes do not broadcast; {DTypeError} when dtypes differ (nothing is promoted silently).
 *
 * Time O(size of the result).
 * @see PyTorch's `torch.add`
 */
export function add(a: Operand, b: Operand): Tensor {
  const [x, y] = operands("add", a, b);
  const out = applyBinary("add", binaryKernels, "add", x, y);
  return differentiable(
    "add",
    out,
    x,
    y,
    [],
    (g, side) => sumTo(g, side.shape),
    (g, side) => sumTo(g, side.shape),
  );
}

/**
 * `a − b`, with NumPy's broadcasting; either may be a number; NaN stays NaN. Shapes and errors as of `add`. Time O(size of the result).
 * @see PyTorch's `torch.sub`
 */
export function sub(a: Operand, b: Operand): Tensor {
  const [x, y] = operands("sub", a, b);
  const out = applyBinary("sub", binaryKernels, "sub", x, y);
  return differentiable(
    "sub",
    out,
    x,
    y,
    [],
    (g, side) => sumTo(g, side.shape),
    (g, side) => sumTo(neg(g), side.shape),
  );
}

/**
 * `a · b` element by element, with NumPy's broadcasting; either may be a number; NaN stays NaN. Shapes and errors as of `add`. Time O(size of the
 * result).
 * @see PyTorch's `torch.mul`
 */
export function mul(a: Operand, b: Operand): Tensor {
  const [x, y] = operands("mul", a, b);
  const out = applyBinary("mul", binaryKernels, "mul", x, y);
  return differentiable(
    "mul",
    out,
    x,
    y,
    [...ifNeeded(x, y), ...ifNeeded(y, x)],
    (g, side) => sumTo(mul(g, y), side.shape),
    (g, side) => sumTo(mul(g, x), side.shape),
  );
}

/**
 * `a / b` element by element, with NumPy's broadcasting; either may be a number. IEEE: x / 0 is ±∞, 0 / 0 is NaN. Shapes and errors as of `add`.
 * Time O(size of the result).
 * @see PyTorch's `torch.div`
 */
export function div(a: Operand, b: Operand): Tensor {
  const [x, y] = operands("div", a, b);
  const out = applyBinary("div", binaryKernels, "div", x, y);
  return differentiable(
    "div",
    out,
    x,
    y,
    [x, y],
    (g, side) => sumTo(div(g, y), side.shape),
    (g, side) => sumTo(neg(div(mul(g, x), mul(y, y))), side.shape),
  );
}

/**
 * `−x`, any shape → the same; NaN stays NaN. Time O(size of x).
 * @see PyTorch's `torch.neg`
 */
export function neg(x: Tensor): Tensor {
  requireTensor("neg", "x", x);
  return mul(x, -1);
}

/** What the gradient by `other` reads, if anybody asks for it. */
function ifNeeded(operand: Operand, other: Operand): Operand[] {
  return typeof other !== "number" && other.requiresGrad ? [operand] : [];
}

type Side = (g: Tensor, side: Tensor) => Tensor;

/** Records a binary operation, of whose operands one may be a number. */
export function differentiable(
  name: string,
  out: Tensor,
  a: Operand,
  b: Operand,
  saved: readonly Operand[],
  forA: Side,
  forB: Side,
): Tensor {
  const inputs = [a, b].filter((side): side is Tensor => typeof side !== "number");
  const rules = [a, b].flatMap((side, i) => (typeof side === "number" ? [] : [{ side, rule: i === 0 ? forA : forB }]));
  return record(
    name,
    out,
    inputs,
    saved.filter((side): side is Tensor => typeof side !== "number"),
    (g, needs) => rules.map(({ side, rule }, i) => (needs[i] ? rule(g, side) : undefined)),
  );
}
