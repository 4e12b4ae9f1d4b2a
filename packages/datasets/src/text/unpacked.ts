import { FormatError } from "@heed/tensor";

/** Packed bytes that go to the decompressor at once: some platforms unpack all of what they were given before they wait. */
const sliceBytes = 2 ** 14;
/** What any gzip may unpack to, however short it is. */
const freeBytes = 2 ** 20;

/**
 * The same pieces, unpacked where they are gzip.
 * @throws {FormatError} for damaged gzip, or when more than `maxExpansion` times the packed bytes come out, beyond the first 2²⁰; what the source
 * itself throws passes as it is.
 */
export async function* unpacked(
  chunks: AsyncGenerator<Uint8Array, void>,
  { where, file, maxExpansion }: { readonly where: string; readonly file: { readonly file?: string }; readonly maxExpansion: number },
): AsyncGenerator<Uint8Array, void> {
  // Two bytes decide, and pieces may be as short as one.
  let head = new Uint8Array(0);
  while (head.length < 2) {
    const next = await chunks.next();
    if (next.done) break;
    const longer = new Uint8Array(head.length + next.value.length);
    longer.set(head);
    longer.set(next.value, head.length);
    head = longer;
  }
  if (head[0] !== 0x1f || head[1] !== 0x8b) {
    if (head.length > 0) yield head;
    yield* chunks;
    return;
  }

  let given = 0;
  let failure: { readonly cause: unknown } | undefined;
  let waiting: Uint8Array = head;
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        while (waiting.length === 0) {
          const next = await chunks.next();
          if (next.done) return controller.close();
          waiting = next.value.slice(); // whoever gave it may write over it
        }
      } catch (cause) {
        failure = { cause };
        throw cause;
      }
      const slice = waiting.subarray(0, sliceBytes);
      waiting = waiting.subarray(slice.length);
      given += slice.length;
      controller.enqueue(slice as Uint8Array<ArrayBuffer>);
    },
    cancel: async () => void (await chunks.return()),
  });
  const reader = packed.pipeThrough(new DecompressionStream("gzip")).getReader();
  let bytes = 0;
  try {
    for (;;) {
      let piece: ReadableStreamReadResult<Uint8Array>;
      try {
        piece = await reader.read();
      } catch (cause) {
        if (failure !== undefined) throw failure.cause;
        const error = new FormatError(where, "the gzip data are damaged or cut off", { ...file, offset: bytes }, "Get the file again.");
        error.cause = cause;
        throw error;
      }
      if (piece.done) return;
      if (bytes + piece.value.length > freeBytes + maxExpansion * given) {
        const rule = `the gzip data unpack to more than ${maxExpansion} times their bytes`;
        throw new FormatError(where, rule, { ...file, offset: bytes, packed: given }, "If that is meant, give a larger maxExpansion.");
      }
      bytes += piece.value.length;
      yield piece.value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
