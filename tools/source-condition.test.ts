import { expect, it } from "vitest";

// Where a build lies about, a wrong condition goes unnoticed, and tests run on old code.
it("tests the packages' sources, not what was last built", () => {
  expect(import.meta.resolve("@heed/tensor")).toMatch(/\/packages\/tensor\/src\/index\.ts$/);
});
