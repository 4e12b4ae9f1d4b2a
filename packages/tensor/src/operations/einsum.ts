import { HeedError, ShapeError } from "@heed/kernels";
import { sizeOf } from "../core/shape.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { mul } from "./arithmetic.ts";
import { diagonal } from "./diagonal.ts";
import { matmul } from "./matmul.ts";
import { sum } from "./sum.ts";
import { expand, permute, reshape } from "./views.ts";

/** A tensor whose axes have names: a letter, or a position counted from the end within the ellipsis ("…0" is the last). */
interface Named {
  readonly x: Tensor;
  readonly labels: readonly string[];
}

/**
 * Einstein summation: a product of tensors of any shapes, whose axes are named by letters, summed over the letters that the result leaves out.
 *
 * - `"ij,jk->ik"`: a matrix product. `"bhid,bhjd->bhij"`: the scores of attention.
 * - A letter twice in one operand takes its diagonal: `"ii->"` is the trace.
 * - `...` stands for any leading axes, which broadcast.
 * - Without `->` the result has the letters that occur once, in alphabetical order, after the ellipsis.
 *
 * Operands are contracted from left to right, each time as one (batched) matrix product of permuted views.
 * Time O(product of the lengths of all letters of the two) each. Sums over nothing are 0.
 * @throws {HeedError} for an equation that does not parse; {ShapeError} when operands do not fit it or a letter has two lengths.
 * @see NumPy's `einsum`
 * @example einsum("bld,hde->bhle", x, weights)
 */
export function einsum(equation: string, ...operands: Tensor[]): Tensor {
  operands.forEach((operand, i) => requireTensor("einsum", `operand ${i}`, operand));
  const { inputs, output } = parse(equation, operands);
  checkLengths(equation, operands, inputs);
  let done: Named | undefined;
  inputs.forEach((labels, i) => {
    const next = takeDiagonals({ x: operands[i], labels });
    const needed = new Set([...output, ...inputs.slice(i + 1).flat()]);
    done = done === undefined ? sumUnneeded(next, needed) : contract(done, next, needed);
  });
  const { x, labels } = done!;
  return permute(
    x,
    output.map((label) => labels.indexOf(label)),
  );
}

function parse(equation: string, operands: readonly Tensor[]): { inputs: string[][]; output: string[] } {
  const malformed = (rule: string, fix: string) => new HeedError("einsum", rule, { equation }, fix);
  const [left, right, ...rest] = equation.replaceAll(" ", "").split("->");
  if (rest.length > 0 || !/^[a-zA-Z.,]*$/.test(left) || !/^[a-zA-Z.]*$/.test(right ?? "")) {
    throw malformed("the equation has letters, commas, ... and one ->", 'As in "bij,bjk->bik".');
  }
  const terms = left.split(",");
  if (terms.length !== operands.length)
    throw malformed(`the equation names ${terms.length} operands, but ${operands.length} came`, "One term per operand.");
  let dots = 0;
  const inputs = terms.map((term, i) => {
    const letters = split(term, malformed);
    const { rank } = operands[i];
    const hidden = rank - letters.filter((letter) => letter !== "...").length;
    if (hidden < 0 || (hidden > 0 && !letters.includes("..."))) {
      throw new ShapeError(
        "einsum",
        `operand ${i} must have an axis for each letter of "${term}"`,
        { equation, shape: operands[i].shape },
        "Write ... for axes that only broadcast.",
      );
    }
    dots = Math.max(dots, letters.includes("...") ? hidden : 0);
    return letters.flatMap((letter) => (letter === "..." ? ellipsis(hidden) : [letter]));
  });
  const known = new Set(inputs.flat());
  if (right === undefined) {
    const counts = new Map<string, number>();
    for (const letter of inputs.flat()) counts.set(letter, (counts.get(letter) ?? 0) + 1);
    const single = [...counts]
      .filter(([letter, count]) => count === 1 && letter.length === 1)
      .map(([letter]) => letter)
      .sort();
    return { inputs, output: [...ellipsis(dots), ...single] };
  }
  const output = split(right, malformed).flatMap((letter) => (letter === "..." ? ellipsis(dots) : [letter]));
  if (new Set(output).size !== output.length)
    throw malformed("a letter stands once in the result", "Use eye(n) for diagonals in the result.");
  if (!output.every((letter) => known.has(letter)))
    throw malformed("every letter of the result stands in an operand", "A new axis comes from unsqueeze.");
  return { inputs, output };
}

function split(term: string, malformed: (rule: string, fix: string) => HeedError): string[] {
  const letters = term.match(/\.\.\.|[a-zA-Z]/g) ?? [];
  if (letters.join("") !== term || letters.filter((letter) => letter === "...").length > 1) {
    throw malformed("an ellipsis is three dots, once per term", 'As in "...ij,...jk->...ik".');
  }
  return letters;
}

function ellipsis(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `…${count - 1 - i}`);
}

function checkLengths(equation: string, operands: readonly Tensor[], inputs: readonly (readonly string[])[]): void {
  const lengths = new Map<string, number>();
  inputs.forEach((labels, i) =>
    labels.forEach((label, axis) => {
      const length = operands[i].shape[axis];
      const before = lengths.get(label) ?? 1;
      const broadcasts = label.length > 1;
      if (lengths.has(label) && before !== length && !(broadcasts && (before === 1 || length === 1))) {
        throw new ShapeError("einsum", broadcasts ? "axes of the ellipsis must broadcast" : `letter ${label} must have one length`, {
          equation,
          ...Object.fromEntries(operands.map(({ shape }, at) => [`operand ${at}`, shape])),
        });
      }
      lengths.set(label, broadcasts && length === 1 ? before : length);
    }),
  );
}

function takeDiagonals({ x, labels }: Named): Named {
  const again = labels.findIndex((label, axis) => labels.indexOf(label) < axis);
  if (again < 0) return { x, labels };
  const first = labels.indexOf(labels[again]);
  return takeDiagonals({ x: diagonal(x, first, again), labels: labels.filter((_, axis) => axis !== again) });
}

function sumUnneeded({ x, labels }: Named, needed: ReadonlySet<string>): Named {
  const axes = labels.flatMap((label, axis) => (needed.has(label) ? [] : [axis]));
  return axes.length === 0 ? { x, labels } : { x: sum(x, axes), labels: labels.filter((label) => needed.has(label)) };
}

/** Multiplies two, and sums over what nobody needs later. */
function contract(left: Named, right: Named, needed: ReadonlySet<string>): Named {
  const a = sumUnneeded(left, new Set([...needed, ...right.labels]));
  const b = sumUnneeded(right, new Set([...needed, ...left.labels]));
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const batch = shared.filter((label) => needed.has(label));
  const summed = shared.filter((label) => !needed.has(label));
  const rows = a.labels.filter((label) => !shared.includes(label));
  const columns = b.labels.filter((label) => !shared.includes(label));
  const lengthIn = ({ x, labels }: Named, label: string) => x.shape[labels.indexOf(label)];
  const arranged = (named: Named, order: readonly string[]) =>
    permute(
      named.x,
      order.map((label) => named.labels.indexOf(label)),
    );
  const lengthsOf = (named: Named, order: readonly string[]) => order.map((label) => lengthIn(named, label));

  if (summed.length === 0) {
    const x = reshape(arranged(a, [...batch, ...rows]), [...lengthsOf(a, batch), ...lengthsOf(a, rows), ...columns.map(() => 1)]);
    const y = reshape(arranged(b, [...batch, ...columns]), [...lengthsOf(b, batch), ...rows.map(() => 1), ...lengthsOf(b, columns)]);
    return { x: mul(x, y), labels: [...batch, ...rows, ...columns] };
  }
  // An axis of the ellipsis that is summed must have its full length on both sides.
  const full = summed.map((label) => (lengthIn(a, label) === 1 ? lengthIn(b, label) : lengthIn(a, label)));
  const stretch = (named: Named, front: readonly string[], kept: readonly string[]) =>
    expand(arranged(named, [...front, ...kept, ...summed]), [...lengthsOf(named, [...front, ...kept]), ...full]);
  const [m, k, n] = [sizeOf(lengthsOf(a, rows)), sizeOf(full), sizeOf(lengthsOf(b, columns))];
  const x = reshape(stretch(a, batch, rows), [...lengthsOf(a, batch), m, k]);
  const y = reshape(stretch(b, batch, columns), [...lengthsOf(b, batch), n, k]);
  const out = matmul(x, y.transpose());
  return {
    x: reshape(out, [...out.shape.slice(0, -2), ...lengthsOf(a, rows), ...lengthsOf(b, columns)]),
    labels: [...batch, ...rows, ...columns],
  };
}
