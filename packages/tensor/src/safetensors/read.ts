import { FormatError, HeedError } from "@heed/kernels";
import { heapArray, type TypedArray } from "../core/dtype.ts";
import { Storage } from "../core/storage.ts";
import { Tensor } from "../core/tensor.ts";
import { label, parseHeader, type Entry } from "./parse-header.ts";

export interface Safetensors {
  /** By name, in the order of the file's data; an object without a prototype, so any name is safe. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** The header's `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads a safetensors file. F64, F32, F16, BF16, I32, U8 and BOOL become the dtypes of that name; I64 becomes int32, when
 * every value fits. Data need not be aligned. Tensors are copies on the engine's heap, without `requiresGrad`.
 *
 * The file may come from anyone: header length, JSON, duplicate names, dtypes, shapes against offsets, overlaps, gaps and
 * the end are checked against the bytes present before anything is allocated by their word.
 *
 * @param bytes the whole file
 * @throws {FormatError} that names the entry and what is wrong with it.
 *
 * Time and memory O(bytes).
 * @see https://github.com/huggingface/safetensors (format)
 * @example const { tensors, metadata } = readSafetensors(await readFile("model.safetensors"));
 */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  if (!(bytes instanceof Uint8Array))
    throw new HeedError(
      "readSafetensors",
      "bytes must be a Uint8Array",
      { bytes: typeof bytes },
      "Wrap an ArrayBuffer: new Uint8Array(buffer).",
    );
  const { entries, metadata } = parseHeader("readSafetensors", bytes);
  const tensors = Object.create(null) as Record<string, Tensor>;
  for (const entry of entries) {
    const array = elements(entry, bytes.subarray(entry.begin, entry.end));
    tensors[entry.name] = new Tensor(new Storage(entry.type.dtype, array.length, array), [...entry.shape]);
  }
  return { tensors, metadata };
}

function elements({ name, type, begin }: Entry, data: Uint8Array): TypedArray {
  const array = heapArray(type.dtype, data.length / type.bytes);
  if (type.name === "I64") {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    for (let i = 0; i < array.length; i++) {
      const low = view.getInt32(8 * i, true);
      if (view.getInt32(8 * i + 4, true) !== low >> 31) {
        throw new FormatError("readSafetensors", `${label(name)}: I64 is read as int32, so every value must fit`, {
          [`element ${i}`]: view.getBigInt64(8 * i, true),
          "byte offset": begin + 8 * i,
        });
      }
      array[i] = low;
    }
    return array;
  }
  // Bytes, not elements: the data may stand unaligned, and NaNs keep their payload.
  new Uint8Array(array.buffer).set(data);
  if (type.name === "BOOL") {
    const at = data.findIndex((byte) => byte > 1);
    if (at >= 0)
      throw new FormatError("readSafetensors", `${label(name)}: BOOL must be 0 or 1`, {
        [`element ${at}`]: data[at],
        "byte offset": begin + at,
      });
  }
  return array;
}
