import { readFileSync, readdirSync, existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FormatError } from "@heed/tensor";
import { describe, expect, it } from "vitest";
import { logMel, parseWav, type Audio } from "../index.ts";
import { powerSpectrum } from "./power-spectrum.ts";

interface Wav {
  kind?: number;
  channels?: number;
  sampleRate?: number;
  bits?: number;
  data?: Uint8Array;
  before?: Uint8Array;
  declared?: number;
}

function chunk(id: string, data: Uint8Array, declared = data.length): Uint8Array {
  const bytes = Buffer.alloc(8 + data.length + (data.length & 1));
  bytes.write(id, 0, "latin1");
  bytes.writeUInt32LE(declared, 4);
  bytes.set(data, 8);
  return bytes;
}

function wav({
  kind = 1,
  channels = 1,
  sampleRate = 8000,
  bits = 16,
  data = new Uint8Array(4),
  before = new Uint8Array(0),
  declared,
}: Wav = {}): Uint8Array {
  const format = Buffer.alloc(16);
  format.writeUInt16LE(kind, 0);
  format.writeUInt16LE(channels, 2);
  format.writeUInt32LE(sampleRate, 4);
  format.writeUInt32LE((sampleRate * channels * bits) / 8, 8);
  format.writeUInt16LE((channels * bits) / 8, 12);
  format.writeUInt16LE(bits, 14);
  const body = Buffer.concat([Buffer.from("WAVE"), before, chunk("fmt ", format), chunk("data", data, declared)]);
  return new Uint8Array(Buffer.concat([chunk("RIFF", body).subarray(0, 8), body]));
}

const shared = fileURLToPath(new URL("../../../../../shared/data/fsdd/recordings", import.meta.url));

describe("parseWav", () => {
  it.each([
    ["8 bits", { bits: 8, data: Uint8Array.of(0, 128, 255) }, [-1, 0, 127 / 128]],
    ["16 bits", { bits: 16, data: Uint8Array.of(0, 0x80, 0, 0x40) }, [-1, 0.5]],
    ["24 bits", { bits: 24, data: Uint8Array.of(0, 0, 0x80, 0, 0, 0x40, 0xff, 0xff, 0xff) }, [-1, 0.5, -1 / 8_388_608]],
    ["32 bits", { bits: 32, data: Uint8Array.of(0, 0, 0, 0x80) }, [-1]],
    ["floats", { kind: 3, bits: 32, data: new Uint8Array(Float32Array.of(0.25, -3).buffer) }, [0.25, -3]],
    ["doubles", { kind: 3, bits: 64, data: new Uint8Array(Float64Array.of(0.1).buffer) }, [Math.fround(0.1)]],
  ] as const)("reads %s", (_, parts, samples) => {
    expect([...parseWav(wav(parts)).samples]).toEqual(samples);
  });

  it("walks the chunks, reads two channels, and an open end", () => {
    const data = Uint8Array.of(1, 0, 2, 0, 3, 0, 4, 0);
    const audio = parseWav(wav({ channels: 2, sampleRate: 44_100, data, before: chunk("LIST", Uint8Array.of(1, 2, 3)) }));
    expect([audio.sampleRate, audio.channels, audio.samples.length]).toEqual([44_100, 2, 4]);
    expect(parseWav(wav({ data, declared: 0xffff_ffff })).samples.length).toBe(4);
  });

  it.each([
    ["another format", Buffer.from("PK\u0003\u0004 and so on"), "a WAV file begins with RIFF … WAVE; got offset 0"],
    ["data cut off", wav().subarray(0, 46), "the data chunk is cut off; got offset 36, declared 4, present 2. Get the file again."],
    ["no data", wav().subarray(0, 36), "there is no data chunk; got offset 36"],
    ["compressed samples", wav({ kind: 85 }), "samples are PCM of 8, 16, 24 or 32 bits, or floats of 32 or 64; got offset 20, format 85"],
    ["no channel", wav({ channels: 0 }), "the numbers of the format chunk disagree"],
    ["half a frame", wav({ data: Uint8Array.of(1, 2, 3) }), "the data are whole frames; got offset 44, bytes 3, bytes of a frame 2"],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => parseWav(bytes)).toThrow(message);
    expect(() => parseWav(bytes)).toThrow(FormatError);
  });

  it("reads every recording of spoken digits", ({ skip }) => {
    if (!existsSync(shared)) return skip("../shared/data/fsdd is not there");
    const files = readdirSync(shared);
    const counts = files.map((file) => parseWav(readFileSync(`${shared}/${file}`)).samples.length);
    expect([files.length, Math.min(...counts), Math.max(...counts)]).toEqual([1500, 1148, 18_262]);
  });
});

const tone = (hz: number, seconds: number, sampleRate = 8000): Audio => ({
  sampleRate,
  channels: 1,
  samples: Float32Array.from({ length: seconds * sampleRate }, (_, i) => Math.sin((2 * Math.PI * hz * i) / sampleRate)),
});

describe("logMel", () => {
  it("computes the power spectrum of the definition", () => {
    const signal = Float64Array.from({ length: 16 }, (_, i) => ((i * 7) % 11) - 5);
    const power = powerSpectrum(16)(signal);
    for (let k = 0; k <= 8; k++) {
      let [re, im] = [0, 0];
      signal.forEach((value, i) => {
        re += value * Math.cos((2 * Math.PI * k * i) / 16);
        im -= value * Math.sin((2 * Math.PI * k * i) / 16);
      });
      expect(power[k]).toBeCloseTo(re * re + im * im, 9);
    }
    expect([...powerSpectrum(1)([3])]).toEqual([9]);
  });

  it("has 1 + ⌊(samples − window) / hop⌋ frames, at least one unless there is no sample", () => {
    const framesOf = (length: number) => logMel({ sampleRate: 8000, channels: 1, samples: new Float32Array(length) }).count;
    expect([0, 1, 200, 279, 280, 1148, 18_262].map(framesOf)).toEqual([0, 1, 1, 1, 2, 12, 226]);
  });

  it("hears a tone in the band where it lies, higher ones higher", () => {
    const loudest = (hz: number) => {
      const { values, width } = logMel(tone(hz, 0.1), { numMels: 20 });
      return values.subarray(0, width).indexOf(Math.max(...values.subarray(0, width)));
    };
    const bands = [200, 600, 1200, 2400, 3600].map(loudest);
    expect(bands).toEqual([...bands].sort((a, b) => a - b));
    expect(new Set(bands).size).toBe(5);
  });

  it("averages channels, and is silent at the floor", () => {
    const one = tone(500, 0.05);
    const two = { ...one, channels: 2, samples: Float32Array.from({ length: 2 * one.samples.length }, (_, i) => one.samples[i >> 1]!) };
    expect(logMel(two).values).toEqual(logMel(one).values);
    const silence = logMel({ sampleRate: 8000, channels: 1, samples: new Float32Array(200) }, { floor: 1e-4 }).values;
    expect([...silence].every((value) => value === Math.fround(Math.log(1e-4)))).toBe(true);
  });

  it("says what is wrong", () => {
    expect(() => logMel(tone(1, 0.1), { hopMs: 0 })).toThrow(
      "logMel: window and hop must hold a sample; got windowMs 25, hopMs 0, sampleRate 8000",
    );
    expect(() => logMel(tone(1, 0.1), { highest: 9000 })).toThrow("bands lie between 0 and half the sample rate");
    expect(() => logMel(tone(1, 0.1), { numMels: 0.5 })).toThrow("numMels must be a whole number from 1 on");
    expect(() => logMel(tone(1, 0.1), { floor: 0 })).toThrow("floor must be above 0 and finite");
  });
});
