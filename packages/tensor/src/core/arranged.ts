import { allocateBlock, freeBlock } from "@heed/kernels";
import { countResident, type Beside, type Storage } from "./storage.ts";

/** Bytes that may be arranged at a time: what they save is work, never worth running out of memory. */
const MOST_BYTES = 268_435_456;
let arrangedBytes = 0;

/** What tells one order of a storage's elements from all others. */
export type Order = readonly (number | string)[];

/** The elements of a resident in the order in which some kernel reads them; without an address while only one call has asked for it. */
class Arranged implements Beside {
  readonly order: Order;
  #address = 0;
  #bytes = 0;

  constructor(order: Order) {
    this.order = order;
  }

  address(bytes: number, arrange: (to: number) => void): number | undefined {
    if (this.#address === 0) {
      if (arrangedBytes + bytes > MOST_BYTES) return undefined;
      this.#address = allocateBlock(bytes);
      this.#bytes = bytes;
      this.#count(bytes);
      arrange(this.#address);
    }
    return this.#address;
  }

  end(): void {
    if (this.#address === 0) return;
    freeBlock(this.#address);
    this.#count(-this.#bytes);
  }

  #count(bytes: number): void {
    arrangedBytes += bytes;
    countResident(bytes);
  }
}

/**
 * The address of a copy in another order, which is kept beside a resident until that is written or moves. It is made at the second call
 * with one order: what is read only once between writes gains nothing.
 *
 * @param arrange writes it to an address
 */
export function arranged(storage: Storage, order: Order, bytes: number, arrange: (to: number) => void): number | undefined {
  if (storage.home !== "resident") return undefined;
  const { beside } = storage;
  if (beside instanceof Arranged && isSame(beside.order, order)) return beside.address(bytes, arrange);
  storage.keepBeside(new Arranged(order));
  return undefined;
}

function isSame(a: Order, b: Order): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
