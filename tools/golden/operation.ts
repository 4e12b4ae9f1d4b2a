import type { Tensor } from "@heed/tensor";

export type Tensors = Readonly<Record<string, Tensor>>;

/** What a case gives to an operation. Floats of inputs and parameters have gradients where the case stores cotangents. */
export interface Given {
  readonly inputs: Tensors;
  readonly params: Tensors;
  /** What the run computes in: for operations that make tensors of their own. */
  readonly dtype: "float32" | "float64";
  /** What the case stores as results: for operations that must know how much is wanted. */
  readonly expected: Tensors;
}

/** Computes the results of one `op`, by name. `Options` is what the folder's README says of that op. */
export type Operation<Options = never> = (given: Given, options: Options) => Record<string, Tensor>;

export type Operations = Readonly<Record<string, Operation>>;

/** Thrown by an operation whose options name something that is not there yet. */
export class Pending extends Error {}
