import { FormatError, randomOrder, ShapeError, type RandomKey } from "@heed/tensor";

/**
 * Divides examples into a part for training and one for testing, class by class, so that both have every class in about the same share.
 *
 * Each class gives `round(testFraction · its count)` examples to the test part, but at least one, and keeps at least one.
 * The same key, labels and fraction give the same split on every machine; indices come back in rising order.
 *
 * Letters: N examples.
 * @param labels `[N]`, 0 … classNames.length − 1
 * @throws {FormatError} when a class has a single example. A class without any is no error.
 * @throws {ShapeError} when `testFraction` is not between 0 and 1.
 *
 * Time O(N).
 * @see scikit-learn's `train_test_split` (with `stratify`)
 */
export function stratifiedSplit(
  labels: Int32Array,
  options: { key: RandomKey; testFraction?: number; classNames?: readonly string[] },
): { train: Int32Array; test: Int32Array } {
  const { key, testFraction = 0.2, classNames } = options;
  if (!(testFraction > 0 && testFraction < 1))
    throw new ShapeError("stratifiedSplit", "testFraction must lie between 0 and 1", { testFraction });
  const members = new Map<number, number[]>();
  labels.forEach((label, i) => {
    const list = members.get(label);
    if (list === undefined) members.set(label, [i]);
    else list.push(i);
  });
  const test: number[] = [];
  for (const [label, list] of members) {
    const name = classNames?.[label] ?? label;
    if (list.length === 1) {
      throw new FormatError(
        "stratifiedSplit",
        "a class needs at least two examples, one to learn from and one to test on",
        { class: name, examples: 1 },
        "Add examples of it, or remove the class.",
      );
    }
    const take = Math.min(list.length - 1, Math.max(1, Math.round(testFraction * list.length)));
    const order = randomOrder(key.split(label), list.length);
    for (let i = 0; i < take; i++) test.push(list[order[i]]);
  }
  const isTest = new Uint8Array(labels.length);
  for (const index of test) isTest[index] = 1;
  const pick = (value: number): Int32Array => Int32Array.from({ length: labels.length }, (_, i) => i).filter((i) => isTest[i] === value);
  return { train: pick(0), test: pick(1) };
}
