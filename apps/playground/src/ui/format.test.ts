import { expect, it } from "vitest";
import { format, formatPair, operand } from "./format.ts";

it("writes a true minus sign, and no negative zero", () => {
  expect([format(-0.5), format(-0.001), format(0), format(2.345, 1)]).toEqual(["−0.50", "0.00", "0.00", "2.3"]);
  expect([operand(-1), operand(1)]).toEqual(["(−1.00)", "1.00"]);
  expect(formatPair([0.8, -0.3])).toBe("(0.80, −0.30)");
});
