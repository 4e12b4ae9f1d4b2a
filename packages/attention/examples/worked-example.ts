/**
 * The worked example of the lecture notes: a decoder that has read "Bonjour le monde" asks its first question. It fails unless its numbers are the
 * notes'. The page of `apps/playground` starts from the same numbers, and its test compares them with what this prints.
 */
import assert from "node:assert/strict";
import { attention } from "@heed/attention";
import { softmax } from "@heed/attention/normalisers";
import { dot } from "@heed/scoring";
import { matmul, tensor } from "@heed/tensor";

const words = ["Bonjour", "le", "monde"];
const states = tensor([
  [1.0, 0.5],
  [0.8, 1.2],
  [0.2, 1.5],
]); // h1, h2, h3 of the encoder: keys, and values too
const query = tensor([[0.8, 0.3]]); // s0 of the decoder

const result = attention(query, states, states, { score: dot(), normaliser: softmax(), returns: ["scores:raw", "weights"] });
const scores = result["scores:raw"].toTypedArray();
const weights = result.weights.toTypedArray();
const context = result.output.toTypedArray();

words.forEach((word, i) => console.log(`${word.padEnd(8)} score ${scores[i]!.toFixed(2)}   weight ${weights[i]!.toFixed(2)}`));
console.log(`context  (${Array.from(context, (each) => each.toFixed(4)).join(", ")})`);
// Bonjour  score 0.95   weight 0.36
// le       score 1.00   weight 0.38
// monde    score 0.61   weight 0.26
// context  (0.7178, 1.0239)

// By hand, one goes on with the rounded weights.
const rounded = Array.from(weights, (each) => Math.round(100 * each) / 100);
const byHand = matmul(tensor([rounded]), states).toTypedArray();
console.log(`by hand  (${Array.from(byHand, (each) => each.toFixed(3)).join(", ")})`); // by hand  (0.716, 1.026)

/** Within `tolerance`: what float32 rounds, and what the notes round. */
function expect(actual: ArrayLike<number>, expected: readonly number[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((each, i) => assert.ok(Math.abs(actual[i]! - each) < tolerance, `${actual[i]} should be ${each}`));
}
expect(scores, [0.95, 1.0, 0.61], 1e-6);
expect(rounded, [0.36, 0.38, 0.26], 1e-12);
expect(byHand, [0.716, 1.026], 1e-6);
expect(context, [0.7178216, 1.0239372], 1e-6); // In float64 from e^0.95, e^1, e^0.61.
expect(context, [0.7178, 1.024], 1e-4); // As the notes print it, last digits rounded on the way.
