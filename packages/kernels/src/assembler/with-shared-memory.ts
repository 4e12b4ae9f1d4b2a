import { HeedError } from "../errors.ts";

const IMPORT_SECTION = 2;
/** Flags of a memory's limits. */
const [WITH_MAXIMUM, SHARED_WITH_MAXIMUM] = [0x01, 0x03];

/**
 * The same module for a shared memory: the shared flag is part of the memory import's type, and one byte of the module.
 * @param bytes a module made by `ModuleBuilder`
 */
export function withSharedMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const shared = Uint8Array.from(bytes);
  let position = 8;
  while (position < shared.length) {
    const id = shared[position]!;
    const [length, content] = readUnsigned(shared, position + 1);
    if (id === IMPORT_SECTION) {
      // One import: count, "env", "memory" (each after its length), kind, flags.
      const flags = content + 1 + (1 + "env".length) + (1 + "memory".length) + 1;
      if (shared[content] !== 1 || shared[flags] !== WITH_MAXIMUM) break;
      shared[flags] = SHARED_WITH_MAXIMUM;
      return shared;
    }
    position = content + length;
  }
  throw new HeedError("withSharedMemory", "takes a module whose only import is an unshared env.memory", {}, "Make it with ModuleBuilder.");
}

function readUnsigned(bytes: Uint8Array, start: number): [value: number, next: number] {
  let value = 0;
  for (let position = start, scale = 1; ; position++, scale *= 128) {
    value += (bytes[position]! & 0x7f) * scale;
    if ((bytes[position]! & 0x80) === 0) return [value, position + 1];
  }
}
