import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-wasm";
import { heads, length, operands, width } from "./operands.js";

await tf.setBackend("wasm");
const [query, key, value] = operands().map((data) => tf.unstack(tf.tensor(data, [heads, length, width])));
const outputs = query.map((q, h) => {
  const scores = tf.matMul(tf.mul(q, 1 / Math.sqrt(width)), tf.transpose(key[h]));
  return tf.matMul(tf.softmax(scores), value[h]);
});
console.log(tf.stack(outputs).dataSync()[1]);
