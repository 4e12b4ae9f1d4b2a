import { math } from "@heed/kernels";
import { add, concat, HeedError, linear, reshape, slice, tanh, tensor, zeros, type RandomKey, type Tensor } from "@heed/tensor";
import { Module, Parameter, torchUniform } from "@heed/nn";
import { requireCounts, requireWidth } from "./internal/require.ts";

export interface RecurrentOptions {
  /** Needed where the input is read; nothing else is drawn. */
  readonly key?: RandomKey;
  /** The state also reads the elements: positions depend on what stands there. Default false. */
  readonly readsInput?: boolean;
  /** Default `tanh`; `none` makes the recurrence linear. */
  readonly activation?: "tanh" | "none";
}

/**
 * Positions that a recurrent network generates, added to the input: `[…, L, width]` → the same,
 * p_t = tanh(recurrentWeight · p_{t−1} + bias [+ inputWeight · x_t]), p_{−1} = `start`. Any length will do.
 *
 * Starts as rotations: pairs of features turn as those of the sinusoidal table do. So the linear recurrence (`activation: "none"`) begins as exactly
 * that table, and tanh, which holds what is learned within ±1, as one that slowly fades. (The last feature of an odd width starts at 0.)
 *
 * Parameters: `recurrentWeight` `[width, width]`, `bias` `[width]`, `start` `[width]`, and `inputWeight` `[width, width]` where the input is read.
 * @throws {ShapeError} unless width is a whole number from 1 on; {HeedError} for reading the input without a key.
 *
 * Letters: L length. Time O(L width²), one element after the other; without elements the input comes back.
 * @see Neishi, Yoshinaga 2019 (aclanthology.org/K19-1031), who read the input; Liu et al. 2020 (arXiv:2003.09229), §3, for the recurrence as a flow in
 * steps
 */
export class RecurrentPositions extends Module {
  readonly recurrentWeight: Parameter;
  readonly inputWeight: Parameter | null;
  readonly bias: Parameter;
  readonly start: Parameter;
  readonly activation: "tanh" | "none";

  constructor(width: number, { key, readsInput = false, activation = "tanh" }: RecurrentOptions = {}) {
    super();
    requireCounts("RecurrentPositions", { width });
    if (readsInput && key === undefined)
      throw new HeedError("RecurrentPositions", "reading the input needs a key", {}, "Pass key: randomKey(seed).");
    if (activation !== "tanh" && activation !== "none")
      throw new HeedError("RecurrentPositions", "activation is tanh or none", { activation });
    const weight = new Float64Array(width * width);
    const start = new Float64Array(width);
    for (let i = 0; 2 * i + 1 < width; i++) {
      const rate = math.pow(10_000, (-2 * i) / width);
      const [sine, cosine] = [math.sin(rate), math.cos(rate)];
      // (sin t, cos t) → (sin (t + rate), cos (t + rate)), from t = −rate on.
      weight.set([cosine, sine], 2 * i * width + 2 * i);
      weight.set([-sine, cosine], (2 * i + 1) * width + 2 * i);
      start.set([-sine, cosine], 2 * i);
    }
    this.recurrentWeight = new Parameter(tensor(weight, { shape: [width, width], dtype: "float32" }));
    this.inputWeight = readsInput ? new Parameter(torchUniform(key!.split("inputWeight"), [width, width], width)) : null;
    this.bias = new Parameter(zeros([width]));
    this.start = new Parameter(tensor(start, { dtype: "float32" }));
    this.activation = activation;
  }

  /**
   * @throws {ShapeError} when x is not of the width.
   *
   * L products of the state with a `[width, width]` matrix, one after the other.
   */
  forward(x: Tensor): Tensor {
    const width = this.start.size;
    requireWidth("RecurrentPositions", x, width);
    const L = x.shape.at(-2)!;
    if (L === 0) return x;
    const read = this.inputWeight === null ? undefined : linear(x, this.inputWeight);
    const states: Tensor[] = [];
    let state: Tensor = reshape(this.start, [1, width]);
    for (let t = 0; t < L; t++) {
      const next = linear(state, this.recurrentWeight, this.bias);
      const sum = read === undefined ? next : add(next, slice(read, -2, t, t + 1));
      state = this.activation === "tanh" ? tanh(sum) : sum;
      states.push(state);
    }
    return add(x, concat(states, -2));
  }
}
