import type { NormaliserName, ScoreName } from "../view.ts";

export const en = {
  title: "One query, step by step",
  eyebrow: "Attention by hand",
  lede:
    "A translator has read *Bonjour le monde* and is about to write *Hello world*. Every word it read left a vector, its key. " +
    "Its own state is a vector too: the query. Attention asks how well each key answers the query, and mixes the words accordingly.",
  invitation: "Drag the tip of an arrow, or type a number. The page computes everything anew while you move.",

  vectors: "The vectors",
  query: "query",
  key: (word: string) => `key “${word}”`,
  context: "context",
  word: "vector",
  seen: "seen",
  seenLabel: (word: string) => `The query may see “${word}”`,
  field: (name: string, axis: "x" | "y") => `${name}, ${axis}`,
  movable: "movable tip",
  reset: "Back to the notes’ example",
  planeLabel: (query: string, keys: string) =>
    `A plane with the query at ${query} and three keys: ${keys}. Discs on the keys are coloured by weight.`,
  legend: "Discs: the weight, from 0 to 1.",

  score: "Scores",
  scoreQuestion: "How well does each key answer the query?",
  scoreChoice: "Score",
  scores: { dot: "dot", scaledDot: "scaled dot", additive: "additive", bilinear: "bilinear", gaussian: "Gaussian" } satisfies Record<
    ScoreName,
    string
  >,
  aboutScore: {
    dot: "Multiply matching coordinates and add. A key scores high when it points the query’s way, but also when it is simply long: in the notes’ example “le” beats “Bonjour”, whose direction is closer.",
    scaledDot:
      "The dot product over √D, the width of a vector; here D = 2. In wide vectors dot products grow like √D, and without the division softmax would soon look at one key only.",
    additive:
      "A small network: project both, add, squash by tanh, add up with weights v. Long vectors cannot shout, since tanh ends at 1. Here W and U are the identity and v = (1, 1); a model learns all three.",
    bilinear:
      "A matrix between the two decides which coordinate asks for which. This one swaps them: the query’s x asks for the key’s y. A model learns it.",
    gaussian:
      "Near is good: minus half the squared distance, the logarithm of a bell curve. With softmax this is the kernel regression of Nadaraya and Watson (1964).",
  } satisfies Record<ScoreName, string>,
  scoreAside: "The rule matters. In the notes’ example dot prefers “le”, bilinear “monde” and Gaussian “Bonjour”.",

  weight: "Weights",
  weightQuestion: "How do scores become shares?",
  weightChoice: "Normaliser",
  normalisers: { softmax: "softmax", reluSum: "ReLU ÷ sum", reluCount: "ReLU ÷ count", sigmoid: "sigmoid", hard: "hard" } satisfies Record<
    NormaliserName,
    string
  >,
  aboutNormaliser: {
    softmax:
      "Exponentials make every score positive and stretch the gaps; dividing by their sum makes shares of a whole. Nobody is ignored entirely.",
    reluSum: "Negative scores count as nothing, the others keep their proportions. A key can be ignored entirely.",
    reluCount:
      "Negative scores count as nothing, and the divisor is just n, the number of keys in sight. No key takes anything away from another.",
    sigmoid: "Each key is judged by itself, between 0 and 1, whatever the others score.",
    hard: "The highest score takes all. Clear, but a step has no slope: training would never hear what might have been better.",
  } satisfies Record<NormaliserName, string>,
  highest: "the highest",
  notHighest: "not the highest",
  otherwise: "otherwise",
  ifHighest: "if",
  masked: "not seen",
  together: "Together",

  sum: "The weighted sum",
  sumQuestion: "What does the query take away?",
  aboutSum:
    "Each vector, shortened by its weight, laid tip to tail. Where they end is the context: what the translator learns about the sentence before it writes.",
  inside: "The weights add up to 1, so the context lies within the dotted shape that the keys span.",
  outside: (total: string) => `The weights add up to ${total}, so nothing keeps the context within the dotted shape that the keys span.`,
  nothing: "No weight is left: the context is zero.",
  byHand: (pair: string) => `By hand, with weights rounded to two digits, one gets ${pair}.`,
  sumLabel: (parts: string, context: string) => `The scaled vectors laid tip to tail: ${parts}. They end at the context ${context}.`,

  slope: "The slope",
  slopeQuestion: "Which way should the query move?",
  aboutSlope:
    "Training wants the right word to get more weight. Pick one: the gradient of its weight, found by differentiating the steps above backwards, says where the query should go.",
  slopeChoice: "More weight for",
  none: "none",
  slopeShown: "The dashed arrow on the query shows its direction.",
  slopeStep: "Go there",
  slopeDot: "With a dot product and softmax it is α (h − c): from the context straight towards the word.",
  slopeZero: "It is zero: here a small move of the query changes nothing.",

  code: "In code",
  codeQuestion: "The same, in your program",
  summary: (weights: string, context: string) => `Weights: ${weights}. Context ${context}.`,
};
