import { expect, it } from "vitest";
import { copy } from "./copy/copy.ts";
import { profileKernels } from "./profile.ts";
import { allocateBlock, freeBlock } from "./memory/allocator.ts";

it("counts calls and time by kernel, and gives the result of the function", () => {
  const block = allocateBlock(64);
  const run = () => copy.on("float32").fill(block, 4, 1);
  const { result, kernels, milliseconds } = profileKernels(() => {
    run();
    run();
    return "done";
  });
  run(); // Not counted any more.
  freeBlock(block);
  expect(result).toBe("done");
  expect(kernels).toMatchObject([{ family: "copy", kernel: "fill", calls: 2 }]);
  expect(kernels[0]!.milliseconds).toBeLessThanOrEqual(milliseconds);
});

it("tells a listener of each call and its arguments, and of none afterwards", () => {
  const block = allocateBlock(64);
  const heard: unknown[] = [];
  profileKernels(
    () => copy.on("float32").fill(block, 4, 1),
    (...call) => heard.push(call),
  );
  profileKernels(() => copy.on("float32").fill(block, 4, 1));
  freeBlock(block);
  expect(heard).toEqual([["copy", "fill", [block, 4, 1]]]);
});

it("ends with an exception too", () => {
  expect(() =>
    profileKernels(() => {
      throw new Error("stop");
    }),
  ).toThrow("stop");
  const { kernels } = profileKernels(() => undefined);
  expect(kernels).toEqual([]);
});
