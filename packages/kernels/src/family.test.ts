import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withSharedMemory } from "./assembler/with-shared-memory.ts";
import { activeBuild, configuration, configure } from "./configure.ts";
import { defineFamily, type Build } from "./family.ts";
import { features } from "./features.ts";
import { linearMemory } from "./memory/linear-memory.ts";
import { uint8View, type Views } from "./memory/views.ts";

/** `() → value`, in a module that imports the memory: what the smallest generator would give. */
function moduleReturning(value: number): Uint8Array<ArrayBuffer> {
  const text = (s: string) => [s.length, ...[...s].map((c) => c.charCodeAt(0))];
  const memory = [1, ...text("env"), ...text("memory"), 0x02, 0x01, 0x00, 0x80, 0x80, 0x04]; // min 0, max 65536 pages
  const exported = [1, ...text("answer"), 0x00, 0x00];
  return Uint8Array.from([
    0x00,
    0x61,
    0x73,
    0x6d,
    0x01,
    0x00,
    0x00,
    0x00, //
    0x01,
    0x05,
    0x01,
    0x60,
    0x00,
    0x01,
    0x7f, // () → i32
    0x02,
    memory.length,
    ...memory, //
    0x03,
    0x02,
    0x01,
    0x00, //
    0x07,
    exported.length,
    ...exported, //
    0x0a,
    0x06,
    0x01,
    0x04,
    0x00,
    0x41,
    value,
    0x0b,
  ]);
}

interface Answering {
  answer(): number;
}

function counted() {
  const made: string[] = [];
  const family = defineFamily<Answering>(
    "answering",
    (build) => {
      made.push(build);
      return moduleReturning(build === "simd" ? 1 : 2);
    },
    (views: Views) => {
      made.push(`reference ${views.shift}`);
      return { answer: () => (views.shift === 3 ? 64 : 32) };
    },
  );
  return { made, family };
}

const before = { ...configuration() };
beforeEach(() => configure({ precision: "fast", backend: "auto" }));
afterEach(() => configure(before));

describe("a family", () => {
  it("makes nothing until its first use, and then each implementation once", () => {
    const { made, family } = counted();
    expect([family.name, made]).toEqual(["answering", []]);
    for (let i = 0; i < 3; i++) {
      expect(family.implementation("simd").answer()).toBe(1);
      expect(family.implementation("reference").answer()).toBe(32);
      expect(family.on("float64").answer()).toBe(64);
    }
    expect(made).toEqual(["simd", "reference 2", "reference 3"]);
  });

  it("runs float32 on the configured build, and float64 always on the reference", () => {
    const { family } = counted();
    const builds: [Partial<typeof before>, Build | "reference", number][] = [
      [{ backend: "reference" }, "reference", 32],
      [{ backend: "simd" }, "simd", 1],
      [{ backend: "auto", precision: "deterministic" }, "simd", 1],
      ...(features().relaxedSimd ? [[{ backend: "auto", precision: "fast" }, "relaxed", 2] as [object, Build, number]] : []),
    ];
    for (const [settings, build, answer] of builds) {
      configure(settings);
      expect([activeBuild(), family.on("float32").answer(), family.on("float64").answer()]).toEqual([build, answer, 64]);
    }
  });

  it("takes compiled modules as well as bytes", () => {
    const family = defineFamily<Answering>(
      "compiled",
      () => new WebAssembly.Module(linearMemory().isShared ? withSharedMemory(moduleReturning(7)) : moduleReturning(7)),
      () => ({ answer: () => 0 }),
    );
    expect(family.implementation("simd").answer()).toBe(7);
  });
});

describe("views", () => {
  it("look at all of linear memory, and see it anew after growth", () => {
    const old = uint8View();
    expect(uint8View()).toBe(old);
    linearMemory().ensure(linearMemory().buffer.byteLength + 1);
    expect(uint8View()).not.toBe(old);
    expect(uint8View().byteLength).toBe(linearMemory().buffer.byteLength);
  });
});
