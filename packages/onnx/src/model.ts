import { HeedError, ShapeError, UnsupportedError } from "@heed/tensor";
import { ProtobufWriter } from "./protobuf/writer.ts";

/** An ONNX model: one graph of nodes, and the version of the operators that it was written for. */
export interface Model {
  /** Of the file format: 8 came with opset 17, 11 with opset 23. */
  readonly irVersion: number;
  /** Version of the main operator set. */
  readonly opset: number;
  /** Versions of other operator sets that nodes come from, by domain: `{ "com.microsoft": 1 }`. */
  readonly domains?: Readonly<Record<string, number>>;
  readonly graph: Graph;
}

export interface Graph {
  readonly name: string;
  /** In an order in which they can run. */
  readonly nodes: readonly Node[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** Constants: weights, shapes, axes. */
  readonly initializers: readonly Initializer[];
}

export interface Node {
  readonly name: string;
  readonly opType: string;
  /** Of an operator that is none of the main set's. */
  readonly domain?: string;
  /** Names of values; "" leaves an optional one out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

/** The kind is written out, since 1 is a float in one attribute and an integer in another. */
export type Attribute =
  | { readonly float: number }
  | { readonly int: number }
  | { readonly string: string }
  | { readonly floats: readonly number[] }
  | { readonly ints: readonly number[] };

/** What goes in or out. A size is a number, or a name for one that is known only when the model runs; equal names are equal sizes. */
export interface ValueInfo {
  readonly name: string;
  readonly dataType: DataType;
  readonly dims: readonly (number | string)[];
}

export type DataType = keyof typeof dataTypes;

/** The array's class says the type: Float32Array float32, Int32Array int32, BigInt64Array int64, Uint8Array bool (0 or 1). No dims: a scalar. */
export interface Initializer {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array | Int32Array | BigInt64Array | Uint8Array;
}

// TensorProto.DataType and AttributeProto.AttributeType.
const dataTypes = { float32: 1, int32: 6, int64: 7, bool: 9 } as const;
const attributeTypes = { float: 1, int: 2, string: 3, floats: 6, ints: 7 } as const;

/**
 * The bytes of an `.onnx` file. The same model always gives the same bytes: no time, no version of a tool is written.
 *
 * @throws {ShapeError} when an initializer's data does not fill its dims; {HeedError} when an integer attribute or a size is no safe integer;
 * {UnsupportedError} from 2 GiB on, which Protocol Buffers cannot hold.
 *
 * Time and memory O(bytes).
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (field numbers), docs/IR.md there (meaning)
 */
export function encodeModel({ irVersion, opset, domains = {}, graph }: Model): Uint8Array<ArrayBuffer> {
  check(graph);
  const writer = new ProtobufWriter()
    .varint(1, irVersion)
    .string(2, "heed") // producer_name
    .message(7, (w) => writeGraph(w, graph))
    .message(8, (w) => w.string(1, "").varint(2, opset)); // opset_import; "" is the main domain
  for (const [domain, version] of Object.entries(domains)) writer.message(8, (w) => w.string(1, domain).varint(2, version));
  if (writer.length >= 2 ** 31) {
    throw new UnsupportedError(
      "encodeModel",
      "a model must stay below 2 GiB, the limit of Protocol Buffers",
      { bytes: writer.length },
      "Export parts of it.",
    );
  }
  return writer.finish();
}

function writeGraph(w: ProtobufWriter, { name, nodes, inputs, outputs, initializers }: Graph): void {
  for (const node of nodes) w.message(1, (inner) => writeNode(inner, node));
  w.string(2, name);
  for (const initializer of initializers) w.message(5, (inner) => writeTensor(inner, initializer));
  for (const input of inputs) w.message(11, (inner) => writeValueInfo(inner, input));
  for (const output of outputs) w.message(12, (inner) => writeValueInfo(inner, output));
}

function writeNode(w: ProtobufWriter, { name, opType, domain, inputs, outputs, attributes = {} }: Node): void {
  for (const input of inputs) w.string(1, input);
  for (const output of outputs) w.string(2, output);
  w.string(3, name).string(4, opType);
  for (const [key, attribute] of Object.entries(attributes)) w.message(5, (inner) => writeAttribute(inner, key, attribute));
  if (domain !== undefined) w.string(7, domain);
}

function writeAttribute(w: ProtobufWriter, name: string, attribute: Attribute): void {
  w.string(1, name);
  if ("float" in attribute) w.fixed32(2, attribute.float).varint(20, attributeTypes.float);
  else if ("int" in attribute) w.varint(3, attribute.int).varint(20, attributeTypes.int);
  else if ("string" in attribute) w.string(4, attribute.string).varint(20, attributeTypes.string);
  else if ("floats" in attribute) w.packedFixed32(7, attribute.floats).varint(20, attributeTypes.floats);
  else w.packedVarints(8, attribute.ints).varint(20, attributeTypes.ints);
}

function writeTensor(w: ProtobufWriter, { name, dims, data }: Initializer): void {
  const type =
    data instanceof Float32Array ? "float32" : data instanceof Int32Array ? "int32" : data instanceof BigInt64Array ? "int64" : "bool";
  w.packedVarints(1, dims)
    .varint(2, dataTypes[type])
    .string(8, name)
    // raw_data is little-endian, as are typed arrays wherever heed runs.
    .bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function writeValueInfo(w: ProtobufWriter, { name, dataType, dims }: ValueInfo): void {
  w.string(1, name).message(2, (type) =>
    type.message(1, (tensor) =>
      tensor.varint(1, dataTypes[dataType]).message(2, (shape) => {
        for (const dim of dims) shape.message(1, (d) => (typeof dim === "number" ? d.varint(1, dim) : d.string(2, dim)));
      }),
    ),
  );
}

function check({ nodes, inputs, outputs, initializers }: Graph): void {
  for (const { name, dims, data } of initializers) {
    const size = dims.reduce((product, n) => product * n, 1);
    if (size !== data.length) {
      throw new ShapeError("encodeModel", "an initializer's data must fill its dims", { name, dims, "data length": data.length });
    }
  }
  const integers = [
    ...nodes.flatMap(({ name, attributes = {} }) =>
      Object.entries(attributes).map(([key, a]) => [`${key} of ${name}`, "int" in a ? [a.int] : "ints" in a ? a.ints : []] as const),
    ),
    ...[...inputs, ...outputs].map(({ name, dims }) => [name, dims.filter((dim) => typeof dim === "number")] as const),
  ];
  for (const [name, values] of integers) {
    if (!values.every(Number.isSafeInteger))
      throw new HeedError("encodeModel", "integer attributes and sizes must be safe integers", { [name]: values });
  }
}
