import { HeedError, ShapeError } from "@heed/tensor";
import { expect, it } from "vitest";
import { decodeModel } from "../test/decode-model.ts";
import { encodeModel, type Model } from "./model.ts";

const model: Model = {
  irVersion: 8,
  opset: 17,
  graph: {
    name: "g",
    nodes: [{ name: "n", opType: "Neg", inputs: ["x"], outputs: ["y"] }],
    inputs: [{ name: "x", dataType: "float32", dims: ["N", 3] }],
    outputs: [],
    initializers: [],
  },
};
const withGraph = (changes: Partial<Model["graph"]>): Model => ({ ...model, graph: { ...model.graph, ...changes } });

it("writes the bytes of onnx.proto", () => {
  const ascii = (text: string) => Array.from(text, (letter) => letter.charCodeAt(0));
  const field = (number: number, ...body: number[]) => [number * 8 + 2, body.length, ...body];
  const node = [...field(1, ...ascii("x")), ...field(2, ...ascii("y")), ...field(3, ...ascii("n")), ...field(4, ...ascii("Neg"))];
  const shape = [...field(1, ...field(2, ...ascii("N"))), ...field(1, 0x08, 3)]; // dim_param, dim_value
  const type = field(1, 0x08, 1, ...field(2, ...shape)); // tensor_type { elem_type, shape }
  const input = [...field(1, ...ascii("x")), ...field(2, ...type)];
  const graph = [...field(1, ...node), ...field(2, ...ascii("g")), ...field(11, ...input)];
  const expected = [0x08, 8, ...field(2, ...ascii("heed")), ...field(7, ...graph), ...field(8, ...field(1), 0x10, 17)];
  expect(Array.from(encodeModel(model))).toEqual(expected);
});

it("carries every kind of attribute, with its type", () => {
  const attributes = {
    a: { float: 0.5 },
    b: { int: -1 },
    c: { string: "both" },
    d: { floats: [1, -Infinity] },
    e: { ints: [0, -1, 300] },
    f: { ints: [] },
  };
  const nodes = [{ ...model.graph.nodes[0], attributes }];
  expect(decodeModel(encodeModel(withGraph({ nodes }))).nodes[0].attributes).toEqual({
    a: 0.5,
    b: -1,
    c: "both",
    d: [1, -Infinity],
    e: [0, -1, 300],
    f: [],
  });
});

it("carries float32, int32, int64 and bool initializers, scalars, empty ones and views", () => {
  const initializers = [
    { name: "f", dims: [2, 1], data: new Float32Array([9, 1.5, -0, 9]).subarray(1, 3) },
    { name: "i", dims: [], data: BigInt64Array.of(-7n) },
    { name: "short", dims: [2], data: Int32Array.of(5, -6) },
    { name: "b", dims: [3], data: Uint8Array.of(1, 0, 1) },
    { name: "none", dims: [0, 4], data: new Float32Array() },
  ];
  expect(decodeModel(encodeModel(withGraph({ initializers }))).initializers).toEqual({
    f: { type: "float32", dims: [2, 1], values: [1.5, -0] },
    i: { type: "int64", dims: [], values: [-7] },
    short: { type: "int32", dims: [2], values: [5, -6] },
    b: { type: "bool", dims: [3], values: [1, 0, 1] },
    none: { type: "float32", dims: [0, 4], values: [] },
  });
});

it("names the domains of operators that are none of the main set's", () => {
  const nodes = [{ ...model.graph.nodes[0], domain: "com.microsoft" }];
  const decoded = decodeModel(encodeModel({ ...withGraph({ nodes }), domains: { "com.microsoft": 1 } }));
  expect(decoded.opsets).toEqual([
    { domain: "", version: 17 },
    { domain: "com.microsoft", version: 1 },
  ]);
  expect(decoded.nodes[0]).toMatchObject({ opType: "Neg", domain: "com.microsoft" });
});

it("refuses data that does not fill its dims, and integers that are none", () => {
  const initializers = [{ name: "w", dims: [2, 3], data: new Float32Array(5) }];
  expect(() => encodeModel(withGraph({ initializers }))).toThrow(ShapeError);
  expect(() => encodeModel(withGraph({ initializers }))).toThrow('must fill its dims; got name "w", dims [2, 3], data length 5');
  const nodes = [{ ...model.graph.nodes[0], attributes: { axis: { int: 0.5 } } }];
  expect(() => encodeModel(withGraph({ nodes }))).toThrow(HeedError);
  expect(() => encodeModel(withGraph({ nodes }))).toThrow("axis of n [0.5]");
});
