import { FormatError } from "@heed/tensor";

/** A recording. */
export interface Audio {
  /** Hz */
  readonly sampleRate: number;
  readonly channels: number;
  /** `[frames · channels]`, channels interleaved, within −1 … 1 for whole-number formats. */
  readonly samples: Float32Array;
}

/** Formats by their number in the file, and the bits of a sample that we read. */
const [PCM, FLOAT, EXTENSIBLE] = [1, 3, 0xfffe];

/**
 * Reads a WAV file (RIFF/WAVE): whole numbers of 8, 16, 24 or 32 bits, or floats of 32 or 64, of any number of channels. Chunks are walked, so that
 * further ones may stand anywhere. A data chunk that says 0 or 0xFFFFFFFF (as recorders do that stream) goes to the end of the file.
 *
 * Time and memory O(samples): 4 bytes each, at most four times the file.
 * @throws {FormatError} with the byte offset for anything else.
 * @see Microsoft and IBM 1991, "Multimedia Programming Interface and Data Specifications 1.0" (RIFF)
 */
export function parseWav(bytes: Uint8Array, { name }: { readonly name?: string } = {}): Audio {
  const file = name === undefined ? {} : { file: name };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fail = (rule: string, offset: number, got: Readonly<Record<string, unknown>> = {}, fix = "Is this a WAV file?"): never => {
    throw new FormatError("parseWav", rule, { ...file, offset, ...got }, fix);
  };
  const text = (at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (bytes.length < 12 || text(0) !== "RIFF" || text(8) !== "WAVE") fail("a WAV file begins with RIFF … WAVE", 0, { bytes: bytes.length });

  let format: { kind: number; channels: number; sampleRate: number; bits: number; block: number } | undefined;
  for (let at = 12; at + 8 <= bytes.length;) {
    const [id, declared] = [text(at), view.getUint32(at + 4, true)];
    const start = at + 8;
    const left = bytes.length - start;
    if (id === "fmt ") {
      if (declared < 16 || declared > left) fail("the format chunk is cut off", at, { declared, present: left });
      const kind = view.getUint16(start, true);
      // The extensible form keeps the kind in the first bytes of an identifier.
      const extended = kind === EXTENSIBLE && declared >= 40 ? view.getUint16(start + 24, true) : kind;
      format = {
        kind: extended,
        channels: view.getUint16(start + 2, true),
        sampleRate: view.getUint32(start + 4, true),
        block: view.getUint16(start + 12, true),
        bits: view.getUint16(start + 14, true),
      };
      const { channels, sampleRate, bits, block } = format;
      const known = extended === PCM ? [8, 16, 24, 32].includes(bits) : extended === FLOAT && (bits === 32 || bits === 64);
      if (!known)
        fail("samples are PCM of 8, 16, 24 or 32 bits, or floats of 32 or 64", start, { format: kind, bits }, "Convert the file to PCM.");
      if (channels < 1 || sampleRate < 1 || block !== (channels * bits) / 8) {
        fail("the numbers of the format chunk disagree", start, { channels, sampleRate, bits, block });
      }
    } else if (id === "data") {
      if (format === undefined) return fail("the format chunk comes before the data", at);
      const open = declared === 0 || declared === 0xffff_ffff;
      if (!open && declared > left) fail("the data chunk is cut off", at, { declared, present: left }, "Get the file again.");
      const length = open ? left : declared;
      if (length % format.block !== 0 && !open)
        fail("the data are whole frames", start, { bytes: length, "bytes of a frame": format.block });
      const count = Math.floor(length / format.block) * format.channels;
      return { sampleRate: format.sampleRate, channels: format.channels, samples: decoded(view, start, count, format.kind, format.bits) };
    }
    at = start + declared + (declared & 1);
  }
  return fail("there is no data chunk", bytes.length, {}, "Get the file again.");
}

function decoded(view: DataView, start: number, count: number, kind: number, bits: number): Float32Array {
  const samples = new Float32Array(count);
  const width = bits / 8;
  for (let i = 0; i < count; i++) {
    const at = start + i * width;
    if (kind === FLOAT) samples[i] = bits === 32 ? view.getFloat32(at, true) : view.getFloat64(at, true);
    else if (bits === 8) samples[i] = (view.getUint8(at) - 128) / 128;
    else if (bits === 16) samples[i] = view.getInt16(at, true) / 32_768;
    else if (bits === 24) samples[i] = ((view.getInt8(at + 2) << 16) | view.getUint16(at, true)) / 8_388_608;
    else samples[i] = view.getInt32(at, true) / 2_147_483_648;
  }
  return samples;
}
