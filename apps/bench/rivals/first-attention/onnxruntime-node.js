import { InferenceSession, Tensor } from "onnxruntime-node";
import { heads, length, operands, width } from "./operands.js";

const model = globalThis.process?.argv[2] ?? "attention.onnx";
const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
const [q, k, v] = operands().map((data) => new Tensor("float32", data, [1, heads, length, width]));
console.log((await session.run({ q, k, v })).y.data[1]);
