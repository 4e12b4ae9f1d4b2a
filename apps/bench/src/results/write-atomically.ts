import * as nodeFs from "node:fs";
import { basename, dirname, join } from "node:path";

/** The part of `node:fs` that writing needs; tests pass one whose disk is full. */
export type FileSystem = Pick<typeof nodeFs, "openSync" | "writeSync" | "fsyncSync" | "closeSync" | "renameSync" | "rmSync">;

/**
 * Writes a file so that its name holds the old content or the new one, never a part: a temporary file beside it is
 * written, flushed, then renamed over it. On any failure the temporary file goes and the old content stays.
 */
export function writeAtomically(path: string, content: string | Uint8Array | readonly Uint8Array[], fs: FileSystem = nodeFs): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  const parts = typeof content === "string" ? [Buffer.from(content)] : content instanceof Uint8Array ? [content] : content;
  let file: number | undefined;
  try {
    file = fs.openSync(temporary, "w");
    for (const part of parts) {
      // A nearly full disk takes a part of the bytes first, and refuses the rest at the next call.
      for (let at = 0; at < part.length;) at += fs.writeSync(file, part, at, part.length - at);
    }
    fs.fsyncSync(file);
    fs.closeSync(file);
    file = undefined;
    fs.renameSync(temporary, path);
  } catch (error) {
    if (file !== undefined) fs.closeSync(file);
    fs.rmSync(temporary, { force: true });
    // `writeSync` knows no path; the user should read the real one, not the temporary one.
    throw Object.assign(error as Error, { path });
  }
}
