import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { logMel, parseWav } from "@heed/datasets";
import type { PrepareContext, Prepared, Settings } from "../../experiment.ts";
import { UserError } from "../../errors.ts";
import { speech } from "./index.ts";
import type { TaskName } from "./plans.ts";

/** Log-mel frames of all recordings, one behind the other: recording r is frames `offsets[r] … offsets[r + 1] − 1`. */
export interface SpeechData {
  readonly bands: number;
  /** `[frames · bands]` */
  readonly frames: Float32Array;
  readonly offsets: Int32Array;
  /** Class of each recording. */
  readonly labels: Readonly<Record<TaskName, Int32Array>>;
  readonly classes: Readonly<Record<TaskName, readonly string[]>>;
  /** Number of each recording among those of its speaker and digit: 0 to 4 are the test part. */
  readonly takes: Int32Array;
}

/** By the number of a recording: the official test part, what chooses parameters, and the rest trains. */
export const parts = { test: [0, 5], validation: [5, 7], train: [7, Infinity] } as const;

const beside = fileURLToPath(new URL("../../../../../../shared/data/fsdd", import.meta.url));
const digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

export async function prepareSpeech(settings: Settings, { progress, checkStop }: PrepareContext): Promise<Prepared<SpeechData>> {
  const folder = settings.data ?? beside;
  if (!existsSync(folder)) {
    throw new UserError("the recordings are not in ../shared/data/fsdd: pass --data with the folder that holds them.");
  }
  const inner = join(folder, "recordings");
  const place = existsSync(inner) ? inner : folder;
  const { takes: limit, speakers: few } = speech.profiles[settings.profile] as unknown as { takes: number; speakers: number };
  const found = (await readdir(place)).flatMap((file) => {
    const match = /^(\d)_([a-z]+)_(\d+)\.wav$/.exec(file);
    return match === null ? [] : [{ file, digit: Number(match[1]), speaker: match[2]!, take: Number(match[3]) }];
  });
  if (found.length === 0) throw new UserError(`${place} holds no recordings named digit_speaker_number.wav, like 7_theo_12.wav.`);
  const speakers = [...new Set(found.map(({ speaker }) => speaker))].sort().slice(0, few);
  const named = found
    .filter(({ speaker, take }) => speakers.includes(speaker) && take < limit)
    .sort((a, b) => a.digit - b.digit || speakers.indexOf(a.speaker) - speakers.indexOf(b.speaker) || a.take - b.take);
  const bands = speech.profiles[settings.profile].bands as number;
  const hash = createHash("sha256");
  const all: Float32Array[] = [];
  for (const [at, { file }] of named.entries()) {
    if (at % 100 === 0) {
      progress(`read ${at} of ${named.length} recordings`);
      checkStop();
    }
    const bytes = await readFile(join(place, file));
    hash.update(file).update(bytes);
    all.push(logMel(parseWav(bytes, { name: file }), { numMels: bands }).values);
  }
  const offsets = new Int32Array(all.length + 1);
  all.forEach(({ length }, r) => (offsets[r + 1] = offsets[r]! + length / bands));
  const frames = new Float32Array(new SharedArrayBuffer(4 * bands * offsets.at(-1)!));
  all.forEach((values, r) => frames.set(values, offsets[r]! * bands));
  const takes = Int32Array.from(named, ({ take }) => take);
  const counts = Object.fromEntries(
    Object.entries(parts).map(([part, [from, to]]) => [part, takes.filter((take) => take >= from && take < to).length]),
  );
  const empty = Object.keys(counts).find((part) => counts[part] === 0);
  if (empty !== undefined)
    throw new UserError(`${place} has no recordings for the ${empty} part: numbers 0 to 4 test, 5 and 6 choose, others train.`);
  return {
    description: { name: "fsdd", counts, frames: offsets.at(-1)!, speakers, fingerprint: hash.digest("hex").slice(0, 16) },
    data: {
      bands,
      frames,
      offsets,
      takes,
      labels: {
        digit: Int32Array.from(named, ({ digit }) => digit),
        speaker: Int32Array.from(named, ({ speaker }) => speakers.indexOf(speaker)),
      },
      classes: { digit: digits, speaker: speakers },
    },
  };
}

/** Frames of a recording, `[L · bands]`. */
export const recording = ({ frames, offsets, bands }: SpeechData, r: number): Float32Array =>
  frames.slice(offsets[r]! * bands, offsets[r + 1]! * bands);

/** The recordings of a part. */
export function partOf({ takes }: SpeechData, part: keyof typeof parts): Int32Array {
  const [from, to] = parts[part];
  return Int32Array.from([...takes.keys()].filter((r) => takes[r]! >= from && takes[r]! < to));
}

/** Recordings whose bands have mean 0 and deviation 1 over the training part. */
export class Normalised {
  readonly means: Float32Array;
  readonly deviations: Float32Array;
  readonly #data: SpeechData;

  constructor(data: SpeechData, train: Int32Array) {
    const { bands } = data;
    const [sums, squares] = [new Float64Array(bands), new Float64Array(bands)];
    let count = 0;
    for (const r of train) {
      const frames = recording(data, r);
      frames.forEach((value, at) => {
        sums[at % bands]! += value;
        squares[at % bands]! += value * value;
      });
      count += frames.length / bands;
    }
    this.#data = data;
    this.means = Float32Array.from(sums, (sum) => sum / count);
    this.deviations = Float32Array.from(squares, (square, b) => Math.sqrt(Math.max(1e-6, square / count - (sums[b]! / count) ** 2)));
  }

  of(r: number): Float32Array {
    const { bands } = this.#data;
    return recording(this.#data, r).map((value, at) => (value - this.means[at % bands]!) / this.deviations[at % bands]!);
  }
}
