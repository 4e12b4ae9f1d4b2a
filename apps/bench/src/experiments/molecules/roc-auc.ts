/**
 * The area under the ROC curve: the chance that a positive scores above a negative, half of ties. NaN without both kinds.
 * @param scores the higher, the more likely positive
 */
export function rocAuc(scores: readonly number[], positive: readonly boolean[]): number {
  const order = scores.map((_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  const positives = positive.filter(Boolean).length;
  const negatives = positive.length - positives;
  let ranks = 0;
  for (let first = 0; first < order.length;) {
    let end = first;
    while (end < order.length && scores[order[end]!] === scores[order[first]!]) end++;
    const rank = (first + 1 + end) / 2; // the mean of first + 1 … end
    for (let k = first; k < end; k++) if (positive[order[k]!]) ranks += rank;
    first = end;
  }
  return (ranks - (positives * (positives + 1)) / 2) / (positives * negatives);
}
