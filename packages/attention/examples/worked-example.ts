/**
 * The worked example of the lecture notes: a decoder that has read "Bonjour le monde" asks its first question.
 * The page of `apps/playground` starts from the same numbers, and its test compares them with what this prints.
 */
import { attention } from "@heed/attention";
import { softmax } from "@heed/attention/normalisers";
import { dot } from "@heed/scoring";
import { tensor } from "@heed/tensor";

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
