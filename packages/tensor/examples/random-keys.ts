import { normal, parseRandomKey, permutation, randomKey, uniform } from "@heed/tensor";

// A key is a value: the same one gives the same numbers, on every engine, whatever was drawn before.
const key = randomKey(7);
console.log(String(uniform(key.split("noise"), [3])) === String(uniform(randomKey(7).split("noise"), [3]))); // true

// Split it for everything that needs numbers of its own.
const weight = normal(key.split("weight"), [2, 3], { deviation: 0.02 });
const order = permutation(key.split("epoch").split(4), 10);
console.log(weight.shape, order.toArray());

// It goes into a checkpoint as text, and comes back.
const saved = JSON.stringify({ key: key.split("epoch") });
const back = parseRandomKey((JSON.parse(saved) as { key: string }).key);
console.log(String(permutation(back.split(4), 10)) === String(order)); // true
