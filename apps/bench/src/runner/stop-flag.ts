/** Thrown where work gives way to the user's wish to stop. */
export class Stopped extends Error {
  override name = "Stopped";
}

/** A wish to stop, set by the main thread and seen between steps by every worker: workers in a loop read no messages. */
export class StopFlag {
  readonly shared: SharedArrayBuffer;
  readonly #flag: Int32Array;

  constructor(shared = new SharedArrayBuffer(4)) {
    this.shared = shared;
    this.#flag = new Int32Array(shared);
  }

  request(): void {
    Atomics.store(this.#flag, 0, 1);
  }

  get requested(): boolean {
    return Atomics.load(this.#flag, 0) !== 0;
  }

  /** @throws {Stopped} when stopping is wished for */
  check(): void {
    if (this.requested) throw new Stopped("stopped");
  }
}
