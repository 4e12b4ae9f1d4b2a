/**
 * Reads a model back, for tests: written against onnx.proto, not against the writer. It takes lists packed and unpacked, and throws on a
 * field that it does not know, so that nothing goes unseen.
 */
export interface DecodedModel {
  irVersion: number;
  producer: string;
  opsets: { domain: string; version: number }[];
  name: string;
  nodes: DecodedNode[];
  inputs: DecodedValue[];
  outputs: DecodedValue[];
  initializers: Record<string, { type: string; dims: number[]; values: number[] }>;
}

export interface DecodedNode {
  name: string;
  opType: string;
  /** Absent: the main one. */
  domain?: string;
  inputs: string[];
  outputs: string[];
  attributes: Record<string, number | string | number[]>;
}

export interface DecodedValue {
  name: string;
  type: string;
  dims: (number | string)[];
}

type Wire = bigint | Uint8Array;
type Fields = Map<number, Wire[]>;

const elementTypes: Record<number, string> = { 1: "float32", 6: "int32", 7: "int64", 9: "bool" };

export function decodeModel(bytes: Uint8Array): DecodedModel {
  const model = fields(bytes, [1, 2, 7, 8]);
  const graph = fields(one(model, 7), [1, 2, 5, 11, 12]);
  return {
    irVersion: int(model, 1),
    producer: text(model, 2),
    opsets: all(model, 8).map((each) => {
      const opset = fields(each, [1, 2]);
      return { domain: text(opset, 1), version: int(opset, 2) };
    }),
    name: text(graph, 2),
    nodes: all(graph, 1).map((each) => {
      const node = fields(each, [1, 2, 3, 4, 5, 7]);
      const [inputs, outputs] = [1, 2].map((field) => all(node, field).map(utf8));
      const attributes = Object.fromEntries(all(node, 5).map(attribute));
      return { name: text(node, 3), opType: text(node, 4), ...(node.has(7) && { domain: text(node, 7) }), inputs, outputs, attributes };
    }),
    inputs: all(graph, 11).map(valueInfo),
    outputs: all(graph, 12).map(valueInfo),
    initializers: Object.fromEntries(all(graph, 5).map(initializer)),
  };
}

function attribute(bytes: Uint8Array): [string, number | string | number[]] {
  const a = fields(bytes, [1, 2, 3, 4, 7, 8, 20]);
  const read: Record<number, () => number | string | number[]> = {
    1: () => float(one(a, 2)),
    2: () => int(a, 3),
    3: () => text(a, 4),
    6: () => all(a, 7).flatMap((each) => Array.from({ length: each.length / 4 }, (_, i) => float(each.subarray(4 * i)))),
    7: () => ints(a, 8),
  };
  return [text(a, 1), read[int(a, 20)]()];
}

function initializer(bytes: Uint8Array): [string, { type: string; dims: number[]; values: number[] }] {
  const tensor = fields(bytes, [1, 2, 8, 9]);
  const type = elementTypes[int(tensor, 2)];
  const raw = one(tensor, 9).slice().buffer;
  const read: Record<string, () => ArrayLike<number>> = {
    float32: () => new Float32Array(raw),
    int32: () => new Int32Array(raw),
    int64: () => Array.from(new BigInt64Array(raw), Number),
    bool: () => new Uint8Array(raw),
  };
  return [text(tensor, 8), { type, dims: ints(tensor, 1), values: Array.from(read[type]()) }];
}

function valueInfo(bytes: Uint8Array): DecodedValue {
  const info = fields(bytes, [1, 2]);
  const tensor = fields(one(fields(one(info, 2), [1]), 1), [1, 2]);
  const dims = all(fields(one(tensor, 2), [1]), 1).map((each) => {
    const dim = fields(each, [1, 2]);
    return dim.has(1) ? int(dim, 1) : text(dim, 2);
  });
  return { name: text(info, 1), type: elementTypes[int(tensor, 1)], dims };
}

function fields(bytes: Uint8Array, known: number[]): Fields {
  const found: Fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number) => {
    at += length;
    if (at > bytes.length) throw new Error(`a field ends at ${at} of ${bytes.length} bytes`);
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const [field, wireType] = [tag >> 3, tag & 7];
    if (!known.includes(field)) throw new Error(`field ${field} was not expected here`);
    const value = wireType === 0 ? varint() : take(wireType === 2 ? Number(varint()) : wireType === 1 ? 8 : 4);
    found.set(field, [...(found.get(field) ?? []), value]);
  }
  return found;
}

const all = (from: Fields, field: number) => (from.get(field) ?? []) as Uint8Array[];
const one = (from: Fields, field: number) => all(from, field)[0];
const utf8 = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const text = (from: Fields, field: number) => utf8(one(from, field));
const int = (from: Fields, field: number) => Number(BigInt.asIntN(64, from.get(field)![0] as bigint));
const float = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);

/** Repeated int64, packed or not. */
function ints(from: Fields, field: number): number[] {
  return (from.get(field) ?? []).flatMap((value) => {
    if (typeof value === "bigint") return Number(BigInt.asIntN(64, value));
    const list: bigint[] = [];
    let [number, shift] = [0n, 0n];
    for (const byte of value) {
      number |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 0x80) {
        list.push(number);
        [number, shift] = [0n, 0n];
      }
    }
    return list.map((each) => Number(BigInt.asIntN(64, each)));
  });
}
