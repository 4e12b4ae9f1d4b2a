import { expect, it } from "vitest";
import { randomKey, reshape } from "@heed/tensor";
import { expectClose, randomTensor } from "@heed/tensor/testing";
import { gridBias, initGridBias, initShaw, shaw } from "./index.ts";

const context = { B: 1, H: 2, L: 3, S: 5, queryOffset: 2 };

it("hands its table to kernels as it is, shared or per head", () => {
  const shared = randomTensor([7, 4], 1);
  const form = shaw({ table: shared }).lower(context);
  if (form.form !== "queryRelative") throw new Error(form.form);
  expect([form.maxDistance, form.table.shape]).toEqual([3, [1, 7, 4]]);
  expectClose(reshape(form.table, [7, 4]), shared);
  const perHead = randomTensor([2, 7, 4], 2);
  const own = shaw({ table: perHead });
  expect(own.lower(context)).toMatchObject({ form: "queryRelative", table: perHead, maxDistance: 3 });
  expect(own.parameters?.()).toEqual({ table: perHead });
});

it("starts from normal tables with a gradient", () => {
  const key = randomKey(1);
  const table = initShaw(key, { maxDistance: 3, width: 4 });
  expect([table.shape, table.requiresGrad]).toEqual([[7, 4], true]);
  expect(initShaw(key, { maxDistance: 0, width: 4, numHeads: 2 }).shape).toEqual([2, 1, 4]);
  const grid = initGridBias(key, { grid: [2, 3], numHeads: 5 });
  expect([grid.shape, grid.requiresGrad]).toEqual([[5, 3, 5], true]);
  expect(gridBias({ table: grid, grid: [2, 3] }).lower({ ...context, L: 6, S: 6, queryOffset: 0 }).form).toBe("grid");
});
