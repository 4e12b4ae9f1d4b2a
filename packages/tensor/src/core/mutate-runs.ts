import { currentScope } from "./scope.ts";
import { mutate, packed } from "./compute.ts";
import { bytesPer } from "./dtype.ts";
import { byteOffset, type Tensor } from "./tensor.ts";

/** Tensors of one size that a kernel goes through element by element. */
export interface Elements {
  /** Written in place; they own their whole storage. */
  readonly targets: readonly Tensor[];
  readonly inputs: readonly Tensor[];
  /** Only neighbours with the same group may go into one call. */
  readonly group: string | number;
}

/** Residents start at multiples of it; what lies between them is nobody's. */
const ALIGNMENT = 64;

/**
 * Lets an element-wise kernel write in place, where all tensors of one row stand for `Elements`. Rows that lie one behind another in linear
 * memory, each of their tensors behind the same of the row before, are one call: all parameters of a resident model, as a rule.
 *
 * @param body gets the addresses of a run's targets and inputs, the index of its first row, and its elements
 */
export function mutateRuns(
  where: string,
  rows: readonly Elements[],
  body: (addresses: readonly number[], row: number, elements: number) => void,
): void {
  let run: { readonly first: number; readonly addresses: readonly number[]; bytes: number } | undefined;
  const finish = () => {
    if (run !== undefined) body(run.addresses, run.first, run.bytes / bytesPer(rows[run.first].targets[0].dtype));
    run = undefined;
  };
  rows.forEach(({ targets, inputs, group }, index) => {
    const dense = inputs.map(packed);
    const all = [...targets, ...dense];
    if (all.some(({ storage }) => storage.home === "heap")) {
      finish();
      mutate(where, targets, dense, (to, from) => body([...to, ...from], index, targets[0].size));
      return;
    }
    const addresses = all.map((tensor) => tensor.storage.addressInMemory(where) + byteOffset(tensor));
    const bytes = targets[0].size * bytesPer(targets[0].dtype);
    const before = run;
    const start = before === undefined ? 0 : Math.ceil(before.bytes / ALIGNMENT) * ALIGNMENT;
    const follows =
      before !== undefined &&
      rows[before.first].group === group &&
      rows[before.first].targets[0].dtype === targets[0].dtype &&
      before.addresses.length === addresses.length &&
      addresses.every((address, i) => address === before.addresses[i] + start);
    if (follows) before.bytes = start + bytes;
    else {
      finish();
      run = { first: index, addresses, bytes };
    }
    for (const { storage } of targets) storage.written(storage.addressInMemory(where), currentScope());
  });
  finish();
}
