/** Writes a multi-head attention layer as an ONNX model, for any runtime that reads opset 17 or 23. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MultiHeadAttention } from "@heed/attention";
import { exportAttention, exportMultiHeadAttention } from "@heed/onnx";
import { randomKey } from "@heed/tensor";

const layer = new MultiHeadAttention(64, 8, { key: randomKey(7) });
const models = {
  "attention-17.onnx": exportAttention({ opset: 17, numHeads: 8, causal: true }),
  "attention-23.onnx": exportAttention({ opset: 23, numHeads: 8, causal: true }),
  "layer-17.onnx": exportMultiHeadAttention(layer, { opset: 17, mask: true }),
  "layer-23.onnx": exportMultiHeadAttention(layer, { opset: 23, mask: true }),
};

const folder = await mkdtemp(join(tmpdir(), "heed-onnx-"));
for (const [name, bytes] of Object.entries(models)) {
  await writeFile(join(folder, name), bytes);
  console.log(`${name}  ${bytes.length} bytes`);
}
console.log(`in ${folder}`);
