import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { UserError, hasCode } from "../errors.ts";
import type { RunPlan, RunResult } from "../experiment.ts";
import { differences } from "./differences.ts";
import { type FileSystem, writeAtomically } from "./write-atomically.ts";

/**
 * A run on disk: one line of magic, the length of a JSON header, the header, the run's state, SHA-256 of all before.
 * Numbers survive JSON exactly; NaN and ±∞, which JSON lacks, are written as strings.
 */
export interface Checkpoint {
  readonly result: RunResult;
  readonly state: Uint8Array;
}

const magic = Buffer.from("heed-bench checkpoint 1\n");
const lengthBytes = 4;
const hashBytes = 32;

export function encodeCheckpoint({ result, state }: Checkpoint): Uint8Array[] {
  const header = Buffer.from(exactJson(result));
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32LE(header.length);
  const parts = [magic, length, header, state];
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return [...parts, hash.digest()];
}

/** @throws {UserError} when the bytes are not a whole, unharmed checkpoint */
export function decodeCheckpoint(bytes: Uint8Array, path: string): Checkpoint {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const damaged = (why: string) => new UserError(`${path} is not a usable checkpoint (${why}); delete it and run again.`);
  if (!buffer.subarray(0, magic.length).equals(magic)) throw damaged("it does not begin like one");
  const body = magic.length + lengthBytes;
  if (buffer.length < body + hashBytes) throw damaged("it is cut off");
  const end = buffer.length - hashBytes;
  if (!createHash("sha256").update(buffer.subarray(0, end)).digest().equals(buffer.subarray(end)))
    throw damaged("its bytes are damaged or cut off");
  const stateStart = body + buffer.readUInt32LE(magic.length);
  return { result: parseExactJson(buffer.toString("utf8", body, stateStart)), state: Uint8Array.from(buffer.subarray(stateStart, end)) };
}

export function writeCheckpoint(path: string, checkpoint: Checkpoint, fs?: FileSystem): void {
  writeAtomically(path, encodeCheckpoint(checkpoint), fs);
}

/**
 * The checkpoint at `path`, or undefined where there is none.
 *
 * @throws {UserError} when it belongs to a run of another plan, and says which setting differs
 */
export function readCheckpoint(path: string, plan: RunPlan): Checkpoint | undefined {
  let bytes;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
  const checkpoint = decodeCheckpoint(bytes, path);
  const { id, model, seed, config } = checkpoint.result;
  const found = differences({ id, model, seed, ...config }, { id: plan.id, model: plan.model, seed: plan.seed, ...plan.config });
  if (found.length > 0) {
    const { key, before, now } = found[0]!;
    throw new UserError(
      `${path} was made with other settings: ${key} was ${before} there and is ${now} now; leave out --resume to begin again, or choose another --out.`,
    );
  }
  return checkpoint;
}

const notFinite: Record<string, number> = { "#NaN": NaN, "#Infinity": Infinity, "#-Infinity": -Infinity };

function exactJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === "number" && !Number.isFinite(inner) ? `#${inner}` : inner));
}

function parseExactJson(text: string): RunResult {
  return JSON.parse(text, (_key, inner: unknown) =>
    typeof inner === "string" && inner in notFinite ? notFinite[inner] : inner,
  ) as RunResult;
}
