import { FormatError } from "@heed/tensor";

/** The same pieces, unpacked where they are gzip. */
export async function* unpacked(
  chunks: AsyncGenerator<Uint8Array, void>,
  where: string,
  file: { readonly file?: string },
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

  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(head),
    async pull(controller) {
      const next = await chunks.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value.slice() as Uint8Array<ArrayBuffer>); // whoever gave it may write over it
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
        if (cause instanceof FormatError) throw cause;
        const error = new FormatError(where, "the gzip data are damaged or cut off", { ...file, offset: bytes }, "Get the file again.");
        error.cause = cause;
        throw error;
      }
      if (piece.done) return;
      bytes += piece.value.length;
      yield piece.value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
