import { expectTypeOf, it } from "vitest";
import { zeros } from "@heed/tensor";
import type { Score } from "@heed/tensor/terms";
import { additive, bilinear, concatScore, cosine, dot, gaussian, scaledDot } from "./index.ts";

// The compiler is the test: `pnpm typecheck` fails where one of these compiles, or does not.
it("refuses wrong names and missing parameters when compiling", () => {
  const x = zeros([2, 2]);
  const wrong = () => {
    // @ts-expect-error dot takes nothing: scaledDot has a scale
    dot({ scale: 2 });
    // @ts-expect-error it is called scale
    scaledDot({ temperature: 2 });
    // @ts-expect-error it is called sigma
    gaussian({ bandwidth: 2 });
    // @ts-expect-error a cosine divides by a temperature
    cosine({ scale: 10 });
    // @ts-expect-error the weight is needed
    bilinear();
    // @ts-expect-error an additive score needs its vector
    additive({ queryWeight: x, keyWeight: x });
    // @ts-expect-error no kernel computes relu
    additive({ queryWeight: x, keyWeight: x, vector: x, activation: "relu" });
    // @ts-expect-error where the query ends must be said
    concatScore({ weight: x, vector: x });
    // @ts-expect-error a score of one's own needs a dense definition
    const own: Score = { name: "own", lower: () => ({ form: "dot", query: x, key: x, scale: 1 }) };
    // @ts-expect-error there are three operand forms
    const form: Score = { ...dot(), lower: () => ({ form: "euclid", query: x, key: x, scale: 1 }) };
    return [own, form];
  };
  expectTypeOf(wrong).toBeFunction();
  for (const score of [dot, scaledDot, gaussian, cosine, bilinear, additive]) expectTypeOf(score).returns.toEqualTypeOf<Score>();
});
