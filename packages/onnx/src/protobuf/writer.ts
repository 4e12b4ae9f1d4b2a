/**
 * Writes a Protocol Buffers message, field by field, in the order of the calls. The wire format is all that is here: what the
 * fields mean stands in `model.ts`.
 *
 * @see https://protobuf.dev/programming-guides/encoding
 * @example new ProtobufWriter().varint(1, 150).finish(); // 08 96 01
 */
export class ProtobufWriter {
  readonly #chunks: Uint8Array[] = [];

  /** int64, int32, bool, enum. A negative number takes ten bytes, as in two's complement of 64 bits. */
  varint(field: number, value: number | bigint): this {
    return this.#push(tag(field, 0), varintBytes(value));
  }

  /** double */
  fixed64(field: number, value: number): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    return this.#push(tag(field, 1), bytes);
  }

  /** float */
  fixed32(field: number, value: number): this {
    return this.#push(tag(field, 5), floatBytes([value]));
  }

  /** `bytes` is referred to until `finish`, not copied. */
  bytes(field: number, bytes: Uint8Array): this {
    return this.#push(tag(field, 2), varintBytes(bytes.length), bytes);
  }

  string(field: number, text: string): this {
    return this.bytes(field, new TextEncoder().encode(text));
  }

  /** A message inside this one. */
  message(field: number, write: (inner: ProtobufWriter) => void): this {
    const inner = new ProtobufWriter();
    write(inner);
    return this.#push(tag(field, 2), varintBytes(inner.length), ...inner.#chunks);
  }

  /** Repeated int64 as one field, none at all for an empty list. Parsers must take this form for a field that is declared unpacked too. */
  packedVarints(field: number, values: readonly (number | bigint)[]): this {
    return values.length === 0 ? this : this.bytes(field, concat(values.map(varintBytes)));
  }

  /** Repeated float as one field, none at all for an empty list. */
  packedFixed32(field: number, values: readonly number[]): this {
    return values.length === 0 ? this : this.bytes(field, floatBytes(values));
  }

  get length(): number {
    return this.#chunks.reduce((sum, { length }) => sum + length, 0);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return concat(this.#chunks);
  }

  #push(...chunks: Uint8Array[]): this {
    for (const chunk of chunks) this.#chunks.push(chunk);
    return this;
  }
}

function tag(field: number, wireType: 0 | 1 | 2 | 5): Uint8Array {
  return varintBytes(field * 8 + wireType);
}

/** Seven bits a byte, lowest first; the eighth says that more follow. */
function varintBytes(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

function floatBytes(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return bytes;
}

function concat(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
