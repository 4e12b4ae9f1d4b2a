import { describe, expect, it } from "vitest";
import { implementationsOf, inWorkspace } from "../testing/workspace.ts";
import { random } from "./random.ts";
import { threefry } from "./threefry.ts";

// Integers decide, so every implementation gives exactly what these loops give.
describe.each(implementationsOf(random))("random, $name", ({ kernels, dtype }) => {
  const keys = [
    [0, 0],
    [1, 2],
    [0x13198a2e, 0x03707344],
    [0xffffffff, 0x80000000],
  ];

  it.each(keys)("masks by the words of key %i, %i", (k0, k1) => {
    for (const n of [0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 64, 1001]) {
      const words = Uint32Array.from({ length: n + 1 });
      for (let i = 0; i < n; i += 2) threefry(k0, k1, i / 2, 0, words, i);
      for (const limit of [0, 0x7fffffff, 0xe6666666, 0xffffffff]) {
        inWorkspace(dtype, (w) => {
          const out = w.reals(n, 1);
          kernels.mask(k0, k1, out, n, limit, 1.25);
          expect(w.readReals(out, n)).toEqual(Array.from(words.subarray(0, n), (word) => (word <= limit ? 1.25 : 0)));
        });
      }
    }
  });
});

// The cipher itself is held to the known answers of its authors in tensor's random.test.ts.
