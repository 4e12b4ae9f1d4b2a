import { float32View } from "@heed/kernels";
import { afterEach, describe, expect, it } from "vitest";
import { add } from "../operations/arithmetic.ts";
import { slice, transpose } from "../operations/views.ts";
import { eachBackend } from "../testing/each-backend.ts";
import { addInPlace, compute, computeOne, copyInto, mutate, packed, scaleInPlace } from "./compute.ts";
import { ones, tensor, zeros } from "./construct.ts";
import { resident } from "./resident.ts";
import { memory, scope } from "./scope.ts";
import type { Tensor } from "./tensor.ts";

afterEach(() => {
  expect(memory().liveBytes, "live bytes after the test").toBe(0);
});

/** Where a tensor may live: on the heap, in a scope, with an owner. */
const homes: readonly [string, <T>(fn: (place: (x: Tensor) => Tensor) => T) => T][] = [
  ["on the heap", (fn) => fn((x) => x)],
  ["on the heap, seen from a scope", (fn) => scope(() => fn((x) => x))],
  ["born in a scope", (fn) => scope(() => fn((x) => add(x, 0)))],
  [
    "with an owner",
    (fn) => {
      const owners: { release(): void }[] = [];
      try {
        return fn((x) => {
          owners.push(resident([x]));
          return x;
        });
      } finally {
        for (const owner of owners) owner.release();
      }
    },
  ],
];

describe.each(homes)("operands %s", (_, inHome) => {
  it("come by the address of their element 0, results densely and with version 0", () =>
    inHome((place) => {
      const x = place(
        tensor([
          [1, 2, 3],
          [4, 5, 6],
        ]),
      );
      const view = slice(transpose(x), 0, undefined, undefined, -1); // [[3, 6], [2, 5], [1, 4]], from the last element backwards
      const [copy, twice] = compute(
        "test",
        [view],
        [
          { shape: [3, 2], dtype: "float32" },
          { shape: [6], dtype: "float32" },
        ],
        ([from], [a, b]) => {
          const all = float32View();
          for (let i = 0; i < 3; i++) {
            for (let j = 0; j < 2; j++) {
              const value = all[from / 4 + i * view.strides[0] + j * view.strides[1]];
              all[a / 4 + 2 * i + j] = value;
              all[b / 4 + 2 * i + j] = 2 * value;
            }
          }
        },
      );
      expect(copy.toArray()).toEqual([
        [3, 6],
        [2, 5],
        [1, 4],
      ]);
      expect(twice.toArray()).toEqual([6, 12, 4, 10, 2, 8]);
      expect([copy.storage.version, twice.storage.version]).toEqual([0, 0]);
    }));

  it("are changed in place by mutate, which counts a version", () =>
    inHome((place) => {
      const x = place(tensor([1, 2, 3]));
      const before = x.storage.version;
      mutate("test", [x], [x], ([to], [from]) => {
        const all = float32View();
        for (let i = 0; i < 3; i++) all[to / 4 + i] = 10 * all[from / 4 + i];
      });
      expect([x.toArray(), x.storage.version - before]).toEqual([[10, 20, 30], 1]);
      addInPlace(
        x,
        slice(
          tensor([
            [1, 0],
            [2, 0],
            [3, 0],
          ]),
          1,
          0,
          1,
        ).reshape([3]),
      );
      scaleInPlace(x, 2);
      expect([x.toArray(), x.storage.version - before]).toEqual([[22, 44, 66], 3]);
      copyInto(x, slice(tensor([7, 8, 9]), 0, undefined, undefined, -1));
      expect(x.toArray()).toEqual([9, 8, 7]);
    }));

  it("survive an exception of the kernel; its workspace is free again", () =>
    inHome((place) => {
      const x = place(tensor([1, 2, 3]));
      const stop = () => {
        throw new Error("stop");
      };
      expect(() => computeOne("test", [x], [3], "float32", stop)).toThrow("stop");
      expect(() => mutate("test", [x], [x], stop)).toThrow("stop");
      expect(add(x, 1).toArray()).toEqual([2, 3, 4]);
    }));

  it("may be empty", () =>
    inHome((place) => {
      const x = place(zeros([0, 3]));
      expect(packed(transpose(x)).shape).toEqual([3, 0]);
      expect(add(x, 1).toArray()).toEqual([]);
      copyInto(x, zeros([0, 3]));
      scaleInPlace(x, 2);
    }));
});

describe.each(eachBackend())("on $name", ({ use }) => {
  it("gives scratch that is 64-byte aligned and does not overlap, and lets kernels nest", () =>
    use(() => {
      const x = ones([4]);
      const y = computeOne("test", [x], [4], "float32", ([from], to, scratch) => {
        const [a, b] = [scratch(4), scratch(400_000)];
        expect([a % 64, b % 64]).toEqual([0, 0]);
        const all = () => float32View();
        all()
          .fill(7, a / 4, a / 4 + 1)
          .fill(8, b / 4, b / 4 + 100_000);
        expect(add(x, 1).toArray()).toEqual([2, 2, 2, 2]); // Takes a workspace of its own.
        expect([all()[a / 4], all()[b / 4], all()[b / 4 + 99_999]]).toEqual([7, 8, 8]);
        for (let i = 0; i < 4; i++) all()[to / 4 + i] = all()[from / 4 + i] + all()[a / 4];
      });
      expect(y.toArray()).toEqual([8, 8, 8, 8]);
    }));

  it("finds operands again after linear memory grew in between", () =>
    use(() => {
      const parts: Tensor[] = [];
      scope(() => {
        const x = add(tensor([1, 2, 3]), 0);
        for (let i = 0; i < 6; i++) parts.push(add(zeros([2_000_000]), i));
        expect(add(x, parts[5].slice(0, 0, 3)).toArray()).toEqual([6, 7, 8]);
      });
    }));
});
