import type { Metrics, Run } from "../../experiment.ts";
import { sessionsOf, type Clicks, type RecommendData } from "./data.ts";
import type { CountingName } from "./index.ts";
import { Ranking } from "./ranking.ts";

/** Puts items in order by how often they were clicked on, or by how often they followed the last click. One step: to count. */
export class CountingRun implements Run {
  readonly totalSteps = 1;
  readonly evaluateEvery = 1;
  readonly facts = {};
  readonly #chain: boolean;
  readonly #data: RecommendData;
  #counts: { popularity: Float64Array; followed: Float64Array } | undefined;

  constructor(model: CountingName, data: RecommendData) {
    this.#chain = model === "markov";
    this.#data = data;
  }

  step(): { examples: number } {
    this.#count([this.#data.train, this.#data.validation]);
    return { examples: this.#data.train.items.length + this.#data.validation.items.length };
  }

  evaluate(): Metrics {
    const { popularity, followed } = this.#counts!;
    const width = popularity.length;
    const ranking = new Ranking();
    for (const items of sessionsOf(this.#data.test)) {
      for (let t = 1; t < items.length; t++) {
        const [last, next] = [items[t - 1]!, items[t]!];
        if (this.#chain) {
          ranking.add(followed.subarray(last * width, (last + 1) * width), next, (other) => popularity[other]! > popularity[next]!);
        } else ranking.add(popularity, next);
      }
    }
    return ranking.metrics;
  }

  // Counted again in milliseconds.
  saveState(): Uint8Array {
    return new Uint8Array(0);
  }

  loadState(): void {
    this.step();
  }

  #count(read: readonly Clicks[]): void {
    const width = this.#data.itemNames.length;
    this.#counts = { popularity: new Float64Array(width), followed: new Float64Array(width * width) };
    const { popularity, followed } = this.#counts;
    for (const clicks of read) {
      for (const item of clicks.items) popularity[item]!++;
      for (const items of sessionsOf(clicks)) for (let t = 1; t < items.length; t++) followed[items[t - 1]! * width + items[t]!]!++;
    }
  }
}
