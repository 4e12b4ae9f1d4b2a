import { tokensOf, type Work } from "./work.ts";

/**
 * How far two float32 results may lie apart, over the size of the result (root of the mean square): rounding grows with the root of the
 * number of terms that are added on the way to an element. Half a unit in the last place per term, and 16 for the largest of thousands of elements.
 */
export function tolerance(work: Work): number {
  // Adam divides gradients by their size: where one is nearly 0, its rounding decides a step of full length.
  if (work.kind.endsWith("Training")) return 1e-3;
  return 16 * 2 ** -24 * Math.sqrt(terms(work));
}

function terms(work: Work): number {
  switch (work.kind) {
    case "matmul":
      return work.k;
    case "attention":
      return work.D + work.L;
    case "softmax":
    case "layerNorm":
      return work.columns;
    case "gelu":
      return 16; // Polynomials.
    case "block":
      return blockTerms(work.embedDim, work.L);
    case "vit":
    case "vitTraining":
      return 3 * work.patchSize ** 2 + work.depth * blockTerms(work.embedDim, tokensOf(work)) + work.embedDim;
    case "lstm":
    case "gru":
    case "lstmTraining":
      return work.T * (work.I + work.H);
    case "convolution":
      return work.channels * work.kernel ** 2;
  }
}

/** Two norms, three products over E and one over 4 E, attention. */
const blockTerms = (E: number, L: number): number => 9 * E + E + L;
