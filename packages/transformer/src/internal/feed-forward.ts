import { HeedError, relu, type Tensor } from "@heed/tensor";
import type { Dropout, Linear } from "@heed/nn";

/** The parts of a layer that its feed-forward is made of, under PyTorch's names. */
interface Parts {
  readonly linear1: Linear;
  readonly linear2: Linear;
  readonly dropout: Dropout;
  readonly activation: "relu" | "gelu";
}

/** `linear2(dropout(activation(linear1(x))))` */
export function feedForward({ linear1, linear2, dropout, activation }: Parts, x: Tensor): Tensor {
  const hidden = activation === "gelu" ? linear1.forward(x, { activation: "gelu" }) : relu(linear1.forward(x));
  return linear2.forward(dropout.forward(hidden));
}

export function requireActivation(where: string, activation: string): void {
  if (activation !== "relu" && activation !== "gelu") throw new HeedError(where, "activation is relu or gelu", { activation });
}
