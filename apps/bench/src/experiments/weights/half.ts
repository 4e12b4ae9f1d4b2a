import { cast, readSafetensors, scope, writeSafetensors, type Tensor } from "@heed/tensor";

type Parameters = Readonly<Record<string, Tensor>>;

/** Parameters in half precision, whole numbers as they are, as a safetensors file. */
export function halved(parameters: Parameters): Uint8Array<ArrayBuffer> {
  return scope(() => {
    const half = Object.entries(parameters).map(([name, value]) => [name, value.dtype === "float32" ? cast(value, "float16") : value]);
    return writeSafetensors(Object.fromEntries(half) as Parameters);
  }) as Uint8Array<ArrayBuffer>;
}

/** What a file that `halved` wrote holds, widened to float32. */
export function widened(bytes: Uint8Array): Parameters {
  const { tensors } = readSafetensors(bytes);
  const wide = Object.entries(tensors).map(([name, value]) => [name, value.dtype === "float16" ? cast(value, "float32") : value]);
  return Object.fromEntries(wide) as Parameters;
}
