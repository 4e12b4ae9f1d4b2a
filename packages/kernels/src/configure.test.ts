import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { activeBuild, backend, configuration, configure } from "./configure.ts";
import { UnsupportedError } from "./errors.ts";
import { features } from "./features.ts";

const before = { ...configuration() };
// One thread: whoever ran before in this process may have woken others, which "auto" keeps.
beforeEach(() => configure({ precision: "fast", backend: "auto", debug: false, threads: 1 }));
afterEach(() => configure(before));

describe("configure", () => {
  it("takes the best build of the engine for fast, and plain SIMD for deterministic", () => {
    expect(activeBuild()).toBe(features().relaxedSimd ? "relaxed" : "simd");
    configure({ precision: "deterministic" });
    expect(activeBuild()).toBe("simd");
    expect(backend()).toMatchObject({ build: "simd", precision: "deterministic", threads: 1, sharedMemory: features().sharedMemory });
  });

  it("takes plain SIMD in Node.js 22, whose engine spills the registers of the relaxed build, unless that is asked for", () => {
    vi.stubGlobal("process", { versions: { v8: "12.4.254.21-node.33" } });
    try {
      configure({});
      expect(activeBuild()).toBe("simd");
      if (!features().relaxedSimd) return;
      configure({ backend: "relaxed" });
      expect(activeBuild()).toBe("relaxed");
      vi.stubGlobal("process", { versions: { v8: "13.6.233.17-node.53" } });
      configure({ backend: "auto" });
      expect(activeBuild()).toBe("relaxed");
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it("leaves as it is what is not named", () => {
    configure({ precision: "deterministic", debug: true });
    configure({ backend: "reference" });
    expect(configuration()).toMatchObject({ precision: "deterministic", backend: "reference", debug: true });
    configure({});
    expect(configuration()).toMatchObject({ precision: "deterministic", backend: "reference", debug: true });
  });

  it("refuses what contradicts itself or does not exist, and changes nothing then", () => {
    configure({ precision: "deterministic", backend: "simd" });
    expect(() => configure({ backend: "relaxed" })).toThrow(/relaxed build rounds differently.*Use precision: "fast"/);
    expect(() => configure({ precision: "exact" as never, debug: true })).toThrow(UnsupportedError);
    expect(() => configure({ backend: "webgpu" as never })).toThrow(
      /backend is auto, reference, simd or relaxed; got precision "deterministic", backend "webgpu"/,
    );
    expect(configuration()).toMatchObject({ precision: "deterministic", backend: "simd", debug: false });
  });
});

describe("features", () => {
  it("are asked once, and true of this engine", () => {
    expect(features()).toBe(features());
    expect(features().simd, "every engine that runs these tests has SIMD").toBe(true);
  });

  it("gives settings that later changes do not reach, and that nobody can change", () => {
    const before = configuration();
    configure({ debug: !before.debug });
    try {
      expect(configuration().debug).toBe(!before.debug);
      expect(before.debug).not.toBe(configuration().debug);
      expect(Object.isFrozen(configuration())).toBe(true);
    } finally {
      configure({ debug: before.debug });
    }
  });
});
