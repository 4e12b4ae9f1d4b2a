import { words, type NormaliserName, type ScoreName, type View } from "./view.ts";
import { additiveParameters, bilinearWeight } from "./model.ts";

const scoreCalls: Record<ScoreName, { name: string; call: string }> = {
  dot: { name: "dot", call: "dot()" },
  scaledDot: { name: "scaledDot", call: "scaledDot()" },
  additive: {
    name: "additive",
    call: `additive({
    queryWeight: tensor(${list(additiveParameters.queryWeight)}),
    keyWeight: tensor(${list(additiveParameters.keyWeight)}),
    vector: tensor(${list(additiveParameters.vector)}),
  })`,
  },
  bilinear: { name: "bilinear", call: `bilinear({ weight: tensor(${list(bilinearWeight)}) })` },
  gaussian: { name: "gaussian", call: "gaussian()" },
};

const normaliserCalls: Record<NormaliserName, { name: string; call: string }> = {
  softmax: { name: "softmax", call: "softmax()" },
  reluSum: { name: "relu", call: `relu({ divideBy: "sum" })` },
  reluCount: { name: "relu", call: `relu({ divideBy: "count" })` },
  sigmoid: { name: "sigmoid", call: "sigmoid()" },
  hard: { name: "hard", call: "hard()" },
};

/** The program that computes a view, for a reader to take along. A test runs it. */
export function program(view: View): string {
  const score = scoreCalls[view.score];
  const normaliser = normaliserCalls[view.normaliser];
  const mask = view.seen.every(Boolean) ? "" : `\n  mask: tensor([${list(view.seen)}]), // true = may attend`;
  return `import { attention } from "@heed/attention";
import { ${normaliser.name} } from "@heed/attention/normalisers";
import { ${score.name} } from "@heed/scoring";
import { tensor } from "@heed/tensor";

// The states of ${words.join(", ")} are keys and values at once.
const query = tensor([${list(view.query)}]);
const states = tensor(${list(view.keys)});

const { output, weights } = attention(query, states, states, {
  score: ${score.call},
  normaliser: ${normaliser.call},${mask}
  returns: ["weights"],
});
console.log(weights.toArray(), output.toArray());
`;
}

function list(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(list).join(", ")}]` : String(value);
}
