import * as scoring from "@heed/scoring";
import type { Score } from "@heed/tensor/terms";
import type { Given, Operation, Operations } from "../operation.ts";

export interface ScoreOptions {
  kind: "additive" | "concat" | "dot" | "scaled_dot" | "bilinear" | "gaussian";
  scale?: number | null;
}

const score: Operation<ScoreOptions> = ({ inputs: { q, k }, params }, options) => ({
  y: scoreOf(params, q!.shape.at(-1)!, options).dense(q!, k!),
});

/** The score that the options and parameters of a case describe. */
export function scoreOf(params: Given["params"], queryDim: number, { kind, scale }: ScoreOptions): Score {
  const { w_q: queryWeight, w_k: keyWeight, v: vector, w: weight, b, sigma } = params;
  const bias = b === undefined ? {} : { bias: b };
  switch (kind) {
    case "additive":
      return scoring.additive({ queryWeight: queryWeight!, keyWeight: keyWeight!, vector: vector!, ...bias });
    case "concat":
      return scoring.concatScore({ weight: weight!, vector: vector!, queryDim, ...bias });
    case "dot":
      return scoring.dot();
    case "scaled_dot":
      return scoring.scaledDot(scale === null || scale === undefined ? {} : { scale });
    case "bilinear":
      return scoring.bilinear({ weight: weight! });
    case "gaussian":
      return scoring.gaussian({ sigma: sigma! });
  }
}

/** Every `op` of the folder `scoring`. */
export const scoringOperations: Operations = { score: score as Operation };
