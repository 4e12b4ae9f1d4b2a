/** How well a list of items was in order: one rank of the wanted item per step, 1 is the top. */
export class Ranking {
  #steps = 0;
  #first = 0;
  #within = 0;
  #reciprocal = 0;

  /** Of a row of scores: higher stands before lower; of equal ones those that `before` says, or all if it is absent. */
  add(scores: ArrayLike<number>, wanted: number, before: (other: number) => boolean = () => true): void {
    let rank = 1;
    const own = scores[wanted]!;
    for (let i = 0; i < scores.length; i++) {
      if (scores[i]! > own || Number.isNaN(scores[i]) || (scores[i] === own && i !== wanted && before(i))) rank++;
    }
    this.#steps++;
    if (rank === 1) this.#first++;
    if (rank <= 20) {
      this.#within++;
      this.#reciprocal += 1 / rank;
    }
  }

  /** Shares of all steps in which the item was among the first 20, and was the first; and the mean of 1 / rank, 0 beyond 20. */
  get metrics(): { recall20: number; mrr20: number; recall1: number } {
    const share = (count: number) => count / this.#steps;
    return { recall20: share(this.#within), mrr20: share(this.#reciprocal), recall1: share(this.#first) };
  }
}
