import { GRU, LSTM, RNN } from "@heed/rnn-baseline";
import { concat, randomKey, reshape, slice, transpose, zeros, type Tensor } from "@heed/tensor";
import { inputOf, numberOf, textOf, Unsupported, type Operator } from "../operator.ts";
import type { Vector } from "../vector.ts";

const key = randomKey(0); // Modules draw parameters that are replaced at once.

/** ONNX's blocks of rows in the order of ours. */
const gates = { LSTM: [0, 2, 3, 1], GRU: [1, 0, 2], RNN: [0] } as const;

const orders = { LSTM: "gates i, o, f, c → i, f, g, o", GRU: "gates z, r, n → r, z, n", RNN: "one gate" } as const;

/** What ONNX may ask for and the packages lack. */
function refuse(vector: Vector): void {
  const { operator, attributes, inputs } = vector;
  if (operator === "GRU" && numberOf(vector, "linear_before_reset", 0) === 0)
    throw new Unsupported("linear_before_reset = 0: r acts on the state before the product; here, as in PyTorch and cuDNN, after it");
  if (operator === "LSTM" && inputs[7] !== undefined) throw new Unsupported("peepholes: the gates of this LSTM do not look at the cell");
  for (const name of ["activations", "clip", "input_forget"]) {
    if (name in attributes) throw new Unsupported(`the attribute ${name}`);
  }
}

function recurrent(name: keyof typeof gates): Operator {
  return {
    mapping: [
      `${name}: batch-first; ${orders[name]}; B is split into two biases.`,
      "  direction = reverse is the second half of a bidirectional network.",
    ],
    run(vector) {
      refuse(vector);
      const batchFirst = numberOf(vector, "layout", 0) === 1;
      const turned = (x: Tensor) => (batchFirst ? x : transpose(x, 0, 1));
      const [X, W, R, bias, lengths] = [
        turned(inputOf(vector, 0)),
        inputOf(vector, 1),
        inputOf(vector, 2),
        vector.inputs[3],
        vector.inputs[4],
      ];
      const C = numberOf(vector, "hidden_size", R.shape[2]!);
      const direction = textOf(vector, "direction", "forward");
      const backwards = direction === "reverse";
      const network = { LSTM, GRU, RNN }[name];
      const module = new network(X.shape[2]!, C, { key, bidirectional: direction !== "forward" });
      const blocks = gates[name];
      const rows = (x: Tensor) => concat(blocks.map((block) => slice(x, 0, block * C, (block + 1) * C)));
      const of = (x: Tensor, at: number) => reshape(slice(x, 0, at, at + 1), x.shape.slice(1));
      const state: Record<string, Tensor> = {};
      for (const at of direction === "forward" ? [0] : [0, 1]) {
        const from = direction === "bidirectional" ? at : 0;
        const suffix = at === 1 ? "_l0_reverse" : "_l0";
        const both = bias === undefined ? zeros([2 * blocks.length * C]) : of(bias, from);
        state[`weight_ih${suffix}`] = rows(of(W, from));
        state[`weight_hh${suffix}`] = rows(of(R, from));
        state[`bias_ih${suffix}`] = rows(slice(both, 0, 0, blocks.length * C));
        state[`bias_hh${suffix}`] = rows(slice(both, 0, blocks.length * C));
      }
      module.loadStateDict(state);

      const initial = (x: Tensor | undefined) => {
        if (x === undefined) return undefined;
        const states = batchFirst ? transpose(x, 0, 1) : x; // [dirs, N, C]
        return backwards ? concat([states, states]) : states;
      };
      const [h0, c0] = [initial(vector.inputs[5]), initial(vector.inputs[6])];
      const start = h0 === undefined ? {} : { state: { h: h0, c: c0 ?? h0 } };
      const ends = lengths === undefined ? {} : { lengths };
      const given = name === "LSTM" || h0 === undefined ? start : { state: { h: h0 } };
      const { output, ...last } = module.forward(X, { ...ends, ...given } as never) as { output: Tensor; h: Tensor; c?: Tensor };
      const [N, L, width] = output.shape as [number, number, number];
      const dirs = width / C;
      const only = (x: Tensor, axis: number) => (backwards ? slice(x, axis, 1, 2) : x);
      const split = only(reshape(output, [N, L, dirs, C]), 2); // [N, L, dirs, C]
      const y = batchFirst ? split : transpose(transpose(split, 0, 1), 1, 2); // [L, dirs, N, C]
      const states = (x: Tensor | undefined) => {
        if (x === undefined) return undefined;
        const kept = only(x, 0);
        return batchFirst ? transpose(kept, 0, 1) : kept;
      };
      return [y, states(last.h), states(last.c)];
    },
  };
}

/** Operators of `@heed/rnn-baseline`. */
export const recurrentOperators: Readonly<Record<string, Operator>> = {
  GRU: recurrent("GRU"),
  LSTM: recurrent("LSTM"),
  RNN: recurrent("RNN"),
};
