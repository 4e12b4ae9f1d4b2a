import { describe, expect, it } from "vitest";
import { DTypeError, FormatError, HeedError, ScopeError, ShapeError, UnsupportedError } from "./errors.ts";

describe("errors", () => {
  it("say where, which rule, what came and what to do", () => {
    const error = new ShapeError(
      "attention",
      "key and value must share length S (axis -2)",
      { key: [2, 4, 23, 16], value: [2, 4, 19, 16] },
      "Slice or pad both alike before the call.",
    );
    expect(error.message).toBe(
      "attention: key and value must share length S (axis -2); got key [2, 4, 23, 16], value [2, 4, 19, 16]. Slice or pad both alike before the call.",
    );
  });

  it("leave out what there is not", () => {
    expect(new HeedError("scope", "it ended").message).toBe("scope: it ended.");
    expect(new HeedError("scope", "it ended", {}, "Begin again.").message).toBe("scope: it ended. Begin again.");
  });

  it("print strings in quotes, typed arrays as lists, and anything else as it prints itself", () => {
    const { message } = new HeedError("f", "rule", {
      a: "x",
      b: new Int32Array([1, 2]),
      c: undefined,
      d: null,
      e: ["p", [1]],
      f: true,
      g: NaN,
    });
    expect(message).toBe('f: rule; got a "x", b [1, 2], c undefined, d null, e ["p", [1]], f true, g NaN.');
  });

  it("cut long strings short, and say how long they are", () => {
    const { message } = new FormatError("f", "rule", { whole: "x".repeat(200), cut: "y".repeat(1e6) });
    expect(message).toBe(`f: rule; got whole "${"x".repeat(200)}", cut "${"y".repeat(200)}…" (1000000 characters).`);
  });

  it("are classes with names of their own, all of them HeedError and Error", () => {
    for (const [kind, name] of [
      [ShapeError, "ShapeError"],
      [DTypeError, "DTypeError"],
      [ScopeError, "ScopeError"],
      [FormatError, "FormatError"],
      [UnsupportedError, "UnsupportedError"],
    ] as const) {
      const error = new kind("f", "rule");
      expect([error.name, error instanceof kind, error instanceof HeedError, error instanceof Error, String(error)]).toEqual([
        name,
        true,
        true,
        true,
        `${name}: f: rule.`,
      ]);
    }
  });
});
