import { FormatError } from "@heed/kernels";
import { packed } from "../core/compute.ts";
import { requireTensor, type Tensor } from "../core/tensor.ts";
import { itemTypes } from "./item-types.ts";

/**
 * Writes tensors as a safetensors file: the same tensors in the same order always give the same bytes. Wider items come
 * first, so every tensor is aligned to its item; tensors of equal width keep their order.
 *
 * @param tensors of any shapes, by name; `__metadata__` is no name for a tensor
 * @param metadata strings for the header's `__metadata__`; left out when empty
 * @returns the whole file
 * @throws {FormatError} when a name or a metadata value cannot be written.
 *
 * Time and memory O(bytes).
 * @see https://github.com/huggingface/safetensors (format)
 * @example await writeFile("model.safetensors", writeSafetensors(model.stateDict()));
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, Tensor>> | ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const named =
    tensors instanceof Map ? [...(tensors as ReadonlyMap<string, Tensor>)] : Object.entries(tensors as Readonly<Record<string, Tensor>>);
  const parts = named.map(([name, tensor]) => {
    requireTensor("writeSafetensors", name, tensor);
    // A lone surrogate becomes another character in UTF-8: two names could collide.
    if (name === "__metadata__" || /\p{Surrogate}/u.test(name))
      throw new FormatError("writeSafetensors", "cannot be the name of a tensor", { name: JSON.stringify(name) });
    return { name, tensor, type: itemTypes.find((type) => type.dtype === tensor.dtype)! };
  });
  parts.sort((a, b) => b.type.bytes - a.type.bytes);
  const header = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== "string")
      throw new FormatError("writeSafetensors", "metadata must be strings", { [key]: typeof value }, "Use JSON.stringify.");
  }
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  let end = 0;
  for (const { name, tensor, type } of parts) {
    const begin = end;
    end += tensor.size * type.bytes;
    header[name] = { dtype: type.name, shape: tensor.shape, data_offsets: [begin, end] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const start = 8 + Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(start + end);
  file.fill(0x20, 8, start);
  file.set(json, 8);
  new DataView(file.buffer).setUint32(0, start - 8, true);
  let at = start;
  for (const { tensor } of parts) {
    const dense = packed(tensor);
    const all = dense.storage.read("writeSafetensors");
    const own = all.subarray(dense.offset, dense.offset + dense.size);
    const bytes = new Uint8Array(own.buffer, own.byteOffset, own.byteLength);
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}
