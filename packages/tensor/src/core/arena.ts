import { allocateBlock, freeBlock, zeroBytes } from "@heed/kernels/light";

const ALIGNMENT = 64;

/** A part of an arena, for one storage at a time. */
export interface Place {
  readonly arena: Arena;
  /** Bytes from the arena's start. */
  readonly offset: number;
  taken: boolean;
}

/**
 * One block of linear memory for several residents, one behind another, so that a kernel can walk through all of them. The gaps, up to the
 * next multiple of 64 bytes, hold zeros. The block exists while anything is in it.
 */
export class Arena {
  #bytes = 0;
  #users = 0;
  #pointer = 0;

  /** A part behind the parts so far; before anything is in the arena. */
  place(bytes: number): Place {
    const offset = this.#bytes;
    this.#bytes += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    return { arena: this, offset, taken: false };
  }

  /** Keeps the block until `leave`, and tells where it starts. */
  enter(): number {
    if (this.#users === 0) {
      this.#pointer = allocateBlock(this.#bytes);
      zeroBytes(this.#pointer, this.#bytes);
    }
    this.#users++;
    return this.#pointer;
  }

  leave(): void {
    if (--this.#users === 0) freeBlock(this.#pointer);
  }
}
