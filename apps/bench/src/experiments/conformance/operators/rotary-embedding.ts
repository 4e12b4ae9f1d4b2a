import { rotate } from "@heed/positional";
import { indexSelect, reshape, unsqueeze, type Tensor } from "@heed/tensor";
import { flagOf, inputOf, numberOf, type Operator } from "../operator.ts";
import { joinHeads, splitHeads } from "./heads.ts";

export const rotaryEmbeddingOperator: Operator = {
  mapping: [
    "rotate(x, cosines, sines, { style }): ONNX brings the tables, which rope would make; rows are picked by position_ids.",
    "interleaved = 1 → interleaved, else halfSplit. The width of the tables says how many features turn (rotary_embedding_dim / 2).",
  ],
  run(vector) {
    const input = inputOf(vector, 0);
    const heads = numberOf(vector, "num_heads", 0);
    const x = input.rank === 3 ? splitHeads(input, heads) : input;
    const [cosines, sines] = [inputOf(vector, 1), inputOf(vector, 2)].map((table) => unsqueeze(rowsOf(table, vector.inputs[3]), 1)) as [
      Tensor,
      Tensor,
    ];
    const turned = rotate(x, cosines, sines, { style: flagOf(vector, "interleaved") ? "interleaved" : "halfSplit" });
    return [input.rank === 3 ? joinHeads(turned) : turned];
  },
};

/** `[B, L, r / 2]`. */
function rowsOf(table: Tensor, positions: Tensor | undefined): Tensor {
  if (positions === undefined) return table;
  return reshape(indexSelect(table, reshape(positions, [positions.size])), [...positions.shape, table.shape[1]!]);
}
