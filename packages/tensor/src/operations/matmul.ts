import { activations, cutProduct, isShared, matmulKernels, matmulScratchBytes, runParallel, ShapeError } from "@heed/kernels";
import { computeOne, type Scratch } from "../core/compute.ts";
import { bytesPer, requireReal, type RealDType } from "../core/dtype.ts";
import { broadcastShapes, broadcastStrides, rowMajor, sizeOf, type Shape } from "../core/shape.ts";
import { record } from "../core/tape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { widened } from "./widened.ts";
import { mergeAxes } from "./copy.ts";
import { fillZero } from "./fill.ts";
import { sameDType } from "./internal/parameters.ts";
import { arrangedColumns, runLinear } from "./internal/run-linear.ts";
import { reshape, transpose } from "./views.ts";

/**
 * The matrix product of the last two axes; leading axes broadcast, as in NumPy. A tensor of rank 1 is a row on the left and
 * a column on the right, and its axis is dropped from the result.
 *
 * Letters: M rows, K summed, N columns.
 * @param a `[…, M, K]` or `[K]`
 * @param b `[…, K, N]` or `[K]`
 * @returns `[…, M, N]`. With K = 0 zeros.
 * @throws {ShapeError} when K disagrees, leading axes do not broadcast, or an operand is a scalar; {DTypeError} when dtypes differ.
 *
 * Operands are read by their strides: transposed, permuted and broadcast views cost no copy, and leading axes that lie
 * densely before M (or K, in gradients) make one large product. Time O(… M N K). A resident b, whole and one matrix, is kept a second time in the order in
 * which the kernel reads it, from the second call after a write on (at most 256 MiB of all tensors), where nothing learns, a has 33
 * to 1024 rows, and b more than 6144 elements or columns that are contiguous.
 * @see PyTorch's `torch.matmul`
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  requireTensor("matmul", "a", a);
  requireTensor("matmul", "b", b);
  if (a.rank === 0 || b.rank === 0) {
    throw new ShapeError("matmul", "operands must have at least one axis", { a: a.shape, b: b.shape }, "Multiply by a scalar with mul.");
  }
  if (a.shape.at(-1) !== b.shape[Math.max(0, b.rank - 2)]) {
    throw new ShapeError(
      "matmul",
      "the last axis of a and the last but one of b (its only one) must have one length K",
      { a: a.shape, b: b.shape },
      "Transpose one of them?",
    );
  }
  const left = a.rank === 1 ? reshape(a, [1, a.shape[0]]) : a;
  const right = b.rank === 1 ? reshape(b, [b.shape[0], 1]) : b;
  const out = product("matmul", left, right, broadcastShapes("matmul", batchOf(left), batchOf(right)));
  if (a.rank > 1 && b.rank > 1) return out;
  const shape = [...out.shape.slice(0, -2), ...(a.rank > 1 ? [out.shape.at(-2)!] : []), ...(b.rank > 1 ? [out.shape.at(-1)!] : [])];
  return reshape(out, shape);
}

function batchOf(x: Tensor): Shape {
  return x.shape.slice(0, -2);
}

/**
 * `[…, M, K] × […, K, N]` with leading axes broadcast, then summed down to `batch`. Summing is part of the product, so the
 * gradient of an operand that was broadcast is again one of these.
 */
export function product(where: string, a: Tensor, b: Tensor, batch: Shape): Tensor {
  const [x, y] = [widened(a), widened(b)];
  const dtype = requireReal(where, x.dtype);
  sameDType(where, { a: x, b: y });
  const plan = planProduct(x, y, batch);
  const shape = [...batch, x.shape.at(-2)!, y.shape.at(-1)!];
  const out = computeOne(where, [x, y], shape, dtype, ([readX, readY], write, scratch) => {
    if (sizeOf(shape) === 0) return;
    if (plan.lengths.length === 0) {
      const factors = { ...plan, a: readX, b: readY };
      const arranged = arrangedColumns(y, dtype, factors);
      if (arranged !== undefined) {
        runLinear(dtype, factors, { bias: 0, activation: activations.none, before: 0 }, write, arranged, scratch);
        return;
      }
    }
    if (plan.sums) fillZero(dtype, write, shape);
    runProduct(dtype, plan, readX, readY, write, plan.sums, scratch);
  });
  return record(where, out, [x, y], [x, y], (g, needs) => [
    needs[0] ? product(where, g, transpose(y), batchOf(x)) : undefined,
    needs[1] ? product(where, transpose(x), g, batchOf(y)) : undefined,
  ]);
}

/** What is left to loop over, and the strides of one product, in elements. */
interface Plan {
  readonly lengths: readonly number[];
  readonly strides: readonly [readonly number[], readonly number[], readonly number[]];
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly rowA: number;
  readonly columnA: number;
  readonly rowB: number;
  readonly columnB: number;
  readonly rowC: number;
  /** Some results are sums over several products. */
  readonly sums: boolean;
}

/** Merges leading axes, and makes them part of M, K or N where the strides allow it. */
function planProduct(a: Tensor, b: Tensor, batch: Shape): Plan {
  let [m, k, n] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!];
  let [rowA, columnA, rowB, columnB, rowC] = [a.strides.at(-2)!, a.strides.at(-1)!, b.strides.at(-2)!, b.strides.at(-1)!, n];
  if (a.rank === 2 && b.rank === 2 && batch.length === 0)
    return { lengths: [], strides: noSteps, m, n, k, rowA, columnA, rowB, columnB, rowC, sums: false };
  const all = broadcastShapes("matmul", batchOf(a), batchOf(b), batch);
  const dense = rowMajor([...batch, m, n]).slice(0, -2);
  const merged = mergeAxes(all, [
    broadcastStrides(batchOf(a), a.strides.slice(0, -2), all),
    broadcastStrides(batchOf(b), b.strides.slice(0, -2), all),
    broadcastStrides(batch, dense, all),
  ]);
  let left = merged.lengths.map((length, axis) => ({
    length,
    a: merged.strides[0][axis],
    b: merged.strides[1][axis],
    c: merged.strides[2][axis],
  }));
  for (let before = -1; before !== left.length;) {
    before = left.length;
    left = left.filter((axis) => {
      const { length } = axis;
      if (length === 1) return false;
      if (axis.b === 0 && axis.c !== 0 && (m === 1 || (axis.a === m * rowA && axis.c === m * rowC))) {
        if (m === 1) [rowA, rowC] = [axis.a, axis.c];
        m *= length;
        return false;
      }
      if (axis.c === 0 && (k === 1 || (axis.a === k * columnA && axis.b === k * rowB))) {
        if (k === 1) [columnA, rowB] = [axis.a, axis.b];
        k *= length;
        return false;
      }
      if (axis.a === 0 && axis.c === n && (n === 1 || axis.b === n * columnB) && (m === 1 || rowC >= n * length)) {
        if (n === 1) columnB = axis.b;
        n *= length;
        return false;
      }
      return true;
    });
  }
  return {
    lengths: left.map(({ length }) => length),
    strides: [left.map((axis) => axis.a), left.map((axis) => axis.b), left.map((axis) => axis.c)],
    m,
    n,
    k,
    rowA,
    columnA,
    rowB,
    columnB,
    rowC,
    sums: left.some(({ c }) => c === 0),
  };
}

const noSteps = [[], [], []] as const;

function runProduct(dtype: RealDType, plan: Plan, a: number, b: number, c: number, accumulate: boolean, scratch: Scratch): void {
  const { lengths, strides, m, n, k, rowA, columnA, rowB, columnB, rowC } = plan;
  const width = bytesPer(dtype);
  const adds = accumulate ? 1 : 0;
  const last = lengths.length - 1;
  const [count, stepA, stepB, stepC] = last < 0 ? [1, 0, 0, 0] : [lengths[last], ...strides.map((steps) => steps[last])];
  const visit = (axis: number, p: number, q: number, to: number, body: (p: number, q: number, to: number) => void) => {
    if (axis >= last) {
      body(p, q, to);
      return;
    }
    const [stepsA, stepsB, stepsC] = strides;
    for (let i = 0; i < lengths[axis]; i++)
      visit(axis + 1, p + i * stepsA[axis] * width, q + i * stepsB[axis] * width, to + i * stepsC[axis] * width, body);
  };
  const products = sizeOf(lengths);
  const work = 2 * m * n * k * products;
  // Products that are summed into one place go one after the other.
  if (!isShared(work) || strides[2].some((step, axis) => axis < last && step === 0)) {
    const { gemmBatched } = matmulKernels.on(dtype);
    const space = scratch(matmulScratchBytes(m, n, k));
    visit(0, a, b, c, (p, q, to) => {
      gemmBatched(count, stepA, stepB, stepC, m, n, k, p, rowA, columnA, q, rowB, columnB, to, rowC, adds, space);
    });
    return;
  }
  const blocks = products < fewProducts || stepC === 0 ? cutProduct(m, n, k) : [{ row: 0, rows: m, column: 0, columns: n }];
  const together = stepC === 0 ? count : Math.ceil(products / mostTasks);
  const calls: number[][] = [];
  visit(0, a, b, c, (p, q, to) => {
    for (let first = 0; first < count; first += together) {
      const batch = Math.min(together, count - first);
      for (const { row, rows, column, columns } of blocks) {
        const fromA = p + (first * stepA + row * rowA) * width;
        const fromB = q + (first * stepB + column * columnB) * width;
        const toC = to + (first * stepC + row * rowC + column) * width;
        calls.push([batch, stepA, stepB, stepC, rows, columns, k, fromA, rowA, columnA, fromB, rowB, columnB, toC, rowC, adds, 0]);
      }
    }
  });
  const bytes = Math.max(...blocks.map(({ rows, columns }) => matmulScratchBytes(rows, columns, k)));
  runParallel(matmulKernels, dtype, "gemmBatched", calls, { work, scratch: { argument: 16, bytes, allocate: scratch }, lingers: true });
}

/** From so many products on there is enough to share without cutting each of them up; and the most tasks that are made of them. */
const fewProducts = 8;
const mostTasks = 64;
