import { FormatError, normal, randomKey, readSafetensors, tensor, writeSafetensors } from "@heed/tensor";

const bytes = writeSafetensors({ "hidden.weight": normal(randomKey(1), [4, 3]), "hidden.bias": tensor([0, 1, 2, 3]) }, { step: "120" });
const { tensors, metadata } = readSafetensors(bytes);
console.log(tensors["hidden.bias"]!.toArray(), tensors["hidden.weight"]!.shape, metadata.step); // [ 0, 1, 2, 3 ] [ 4, 3 ] 120

// A file from outside is checked against the bytes that are there, before anything is allocated by its word.
try {
  readSafetensors(bytes.subarray(0, bytes.length - 4));
} catch (error) {
  if (error instanceof FormatError) console.log(error.message);
}
