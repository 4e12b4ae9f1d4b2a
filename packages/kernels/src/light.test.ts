import { expect, it } from "vitest";
import * as index from "./index.ts";
import * as light from "./light.ts";

it("light gives nothing of its own: the same values as the index", () => {
  const everything: Record<string, unknown> = { ...index };
  const strangers = Object.entries(light).filter(([name, value]) => everything[name] !== value);
  expect(strangers).toEqual([]);
});
