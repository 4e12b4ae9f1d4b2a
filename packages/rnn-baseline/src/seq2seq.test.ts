import { AdamW, Embedding, trainStep, training } from "@heed/nn";
import { expectModuleGradient } from "@heed/nn/testing";
import { argmax, concat, crossEntropy, memory, normal, randomIntegers, randomKey, reshape, slice, tensor } from "@heed/tensor";
import { expectClose } from "@heed/tensor/testing";
import { beam } from "@heed/transformer";
import { describe, expect, it } from "vitest";
import { AdditiveDecoder, NARM, Seq2Seq } from "./index.ts";

const key = randomKey(4);
const sizes = { sourceVocabularySize: 12, vocabularySize: 12, embeddingDim: 16, hiddenSize: 24, attentionSize: 16 };

describe("AdditiveDecoder", () => {
  const decoder = new AdditiveDecoder(
    { inputSize: 3, hiddenSize: 4, memorySize: 5, attentionSize: 6, vocabularySize: 7 },
    key.split("decoder"),
  );
  const [input, state, values] = [normal(key.split(1), [2, 3]), normal(key.split(2), [2, 4]), normal(key.split(3), [2, 6, 5])];

  it("sees nothing of a sample beyond its end", () => {
    const short = decoder.forward(input, state, decoder.remember(slice(values, 1, 0, 4), [4, 3]));
    const padded = decoder.forward(input, state, decoder.remember(values, [4, 3]));
    expectClose(padded.logits, short.logits, 1e-6);
    expect((padded.weights.toArray() as number[][])[1]!.slice(3)).toEqual([0, 0, 0]);
  });

  it("says what does not fit", () => {
    expect(() => decoder.remember(input)).toThrow(/memory must be \[B, L, memorySize\]/);
    expect(() => decoder.remember(values, [6])).toThrow(/lengths must be \[B\]/);
    expect(() => decoder.remember(values, [6, 7])).toThrow(/from 1 to L.* sample 1, length 7, L 6/);
    expect(() => decoder.remember(values, [0, 6])).toThrow(/sample 0, length 0/);
    const bad = { inputSize: 3, hiddenSize: 0, memorySize: 5, attentionSize: 6, vocabularySize: 7 };
    expect(() => new AdditiveDecoder(bad, key)).toThrow(/hiddenSize must be a whole number from 1 on/);
  });
});

describe("Seq2Seq", () => {
  it("learns to turn sequences round, and looks where it copies from", () => {
    const model = new Seq2Seq(sizes, { key: key.split("model") });
    const optimiser = new AdamW(model.parameters(), { lr: 1e-2, weightDecay: 0 });
    const [B, L, start, end] = [32, 5, 10, 11];
    const reversed = (rows: number[][]) => rows.map((row) => [...row].reverse());
    const draw = (step: number) => randomIntegers(key.split("data").split(step), [B, L], 0, 10).toArray() as number[][];
    for (let step = 0; step < 160; step++) {
      const source = draw(step);
      const answers = reversed(source);
      trainStep(null, {
        optimiser,
        key,
        clipNorm: 1,
        loss: () => {
          const given = tensor(answers.map((row) => [start, ...row]), { dtype: "int32" }); // prettier-ignore
          const { logits } = model.teach(tensor(source, { dtype: "int32" }), given);
          const targets = tensor(answers.flatMap((row) => [...row, end]), { dtype: "int32" }); // prettier-ignore
          return crossEntropy(reshape(logits, [B * (L + 1), 12]), targets);
        },
      });
    }
    const source = draw(-1);
    const bytes = memory().liveBytes;
    const found = model.translate(tensor(source, { dtype: "int32" }), { start, end, maxLength: 8 });
    expect(memory().liveBytes).toBe(bytes);
    const right = found.filter(({ tokens }, b) => tokens.join() === [...source[b]!].reverse().join()).length;
    expect(right).toBeGreaterThan(0.9 * B);
    // The i-th token comes from the place L − 1 − i: there most of the weight lies, on most tokens.
    const looks = found.flatMap(({ tokens, weights }) => tokens.map((_, i) => weights[i]!.indexOf(Math.max(...weights[i]!)) === L - 1 - i));
    expect(looks.filter(Boolean).length).toBeGreaterThan(0.7 * looks.length);
  }, 60_000);

  it("translates as it was taught: the same logits step by step, whatever the padding", () => {
    const model = new Seq2Seq(sizes, { key: key.split("model") });
    const source = tensor(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8), { shape: [2, 4] });
    const [first] = model.translate(source, { start: 10, end: 11, maxLength: 3, lengths: [4, 2] });
    const taught = model.teach(source, tensor(Int32Array.from([10, ...first!.tokens.slice(0, 2), 10, 0, 0]), { shape: [2, 3] }), [4, 2]);
    const said = argmax(slice(taught.logits, 0, 0, 1), -1).toArray() as number[][];
    expect(first!.tokens).toEqual(said[0]!.slice(0, first!.tokens.length));
    const padded = concat([source, tensor(Int32Array.of(9, 9), { shape: [2, 1] })], 1);
    const [again] = model.translate(padded, { start: 10, end: 11, maxLength: 3, lengths: [4, 2] });
    expect(again!.tokens).toEqual(first!.tokens);
    expect(() => model.teach(source, tensor(Int32Array.of(1, 2)))).toThrow(/target must be \[B, Lt\]/);
    expect(() => model.encode(tensor(Int32Array.of(1)))).toThrow(/source must be \[B, Ls\]/);
  });
});

describe("Seq2Seq's options", () => {
  const [start, end] = [10, 11];
  const source = tensor(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8), { shape: [2, 4] });
  const lengths = [4, 2];
  const options = { start, end, maxLength: 4, lengths };
  const kinds = [
    ["attention", sizes, {}],
    ["attention, tied", sizes, { tied: true }],
    ["one vector", { ...sizes, attentionSize: 0 }, { tied: true }],
  ] as const;

  /** Log-probability of a translation, by teaching it. */
  const logProbability = (model: Seq2Seq, b: number, tokens: readonly number[], stopped: boolean) => {
    const one = slice(source, 0, b, b + 1);
    const said = [...tokens, ...(stopped ? [end] : [])];
    const given = tensor(Int32Array.from([start, ...said.slice(0, -1)]), { shape: [1, said.length] });
    const { logits } = model.teach(one, given, [lengths[b]!]);
    return -crossEntropy(reshape(logits, [said.length, 12]), tensor(Int32Array.from(said)), { reduction: "sum" }).item();
  };

  it.each(kinds)("finds by many beams the likeliest of all translations: %s", (_name, shape, more) => {
    const model = new Seq2Seq(shape, { key: key.split("beams"), ...more });
    // With as many beams as there are beginnings nothing is lost.
    const found = model.translate(source, { ...options, maxLength: 2, strategy: beam({ numBeams: 150, lengthPenalty: 0 }) });
    const words = Array.from({ length: 12 }, (_, token) => token).filter((token) => token !== end);
    found.forEach(({ tokens }, b) => {
      const all = [[], ...words.map((word) => [word]), ...words.flatMap((one) => words.map((other) => [one, other]))];
      const scores = all.map((said) => logProbability(model, b, said, said.length < 2));
      expect(tokens).toEqual(all[scores.indexOf(Math.max(...scores))]);
    });
  });

  it.each(kinds)("looks, in a search by beams, where teaching looks: %s", (_name, shape, more) => {
    const model = new Seq2Seq(shape, { key: key.split("beams"), ...more });
    const found = model.translate(source, { ...options, strategy: beam({ numBeams: 3 }) });
    found.forEach(({ tokens, weights }, b) => {
      expect(weights).toHaveLength(tokens.length);
      const given = tensor(Int32Array.from([start, ...tokens]), { shape: [1, tokens.length + 1] });
      const taught = (model.teach(slice(source, 0, b, b + 1), given, [lengths[b]!]).weights.toArray() as number[][][])[0]!;
      weights.forEach((row, i) => expectClose(tensor(row), tensor(taught[i]!), 1e-6));
    });
  });

  it("reads one vector without attention: the last states of both directions, whatever the padding", () => {
    const model = new Seq2Seq({ ...sizes, attentionSize: 0 }, { key });
    expect(Object.keys(model.stateDict()).some((name) => name.startsWith("attention"))).toBe(false);
    const { memory: kept } = model.encode(source, lengths);
    const { output } = model.encoder.forward(model.src_embed.forward(source), { lengths });
    const H = sizes.hiddenSize;
    const rows = output.toArray() as number[][][];
    lengths.forEach((length, b) => {
      const both = [...rows[b]![length - 1]!.slice(0, H), ...rows[b]![0]!.slice(H)];
      expectClose(reshape(slice(kept.values, 0, b, b + 1), [2 * H]), tensor(both), 1e-6);
    });
    expect(() => model.remember(output)).toThrow(/without attention the memory is one vector/);
  });

  it("gives logits at chosen places as at all, and its table a gradient from both its uses", () => {
    const model = new Seq2Seq(sizes, { key, tied: true });
    const target = tensor(Int32Array.of(10, 1, 2, 10, 3, 4), { shape: [2, 3] });
    const all = reshape(model.teach(source, target, lengths).logits, [6, 12]);
    const some = model.teach(source, target, lengths, { at: tensor(Int32Array.of(4, 0)) }).logits;
    expectClose(some, concat([slice(all, 0, 4, 5), slice(all, 0, 0, 1)]), 1e-6);
    expect([...model.namedParameters().keys()].filter((name) => model.namedParameters().get(name)!.shape[0] === 12)).toEqual([
      "out_bias",
      "src_embed.weight",
      "tgt_embed.weight",
    ]);
    crossEntropy(some, tensor(Int32Array.of(7, 8))).backward();
    const gradient = model.tgt_embed.weight.grad!.toArray() as number[][];
    // Row 5 is said nowhere and read nowhere, and still less likely than it was; row 10 was read.
    for (const row of [5, 7, 10]) expect(gradient[row]!.some((g) => g !== 0)).toBe(true);
  });

  it("drops in training alone", () => {
    const model = new Seq2Seq(sizes, { key, dropoutP: 0.5 });
    const sure = new Seq2Seq(sizes, { key });
    const target = tensor(Int32Array.of(10, 1, 10, 3), { shape: [2, 2] });
    expect(model.teach(source, target).logits.toArray()).toEqual(sure.teach(source, target).logits.toArray());
    const logits = training(key.split("a step"), () => model.teach(source, target).logits.toArray());
    expect(logits).not.toEqual(sure.teach(source, target).logits.toArray());
  });

  it("says what does not fit", () => {
    expect(() => new Seq2Seq({ ...sizes, attentionSize: -1 }, { key })).toThrow(/attentionSize must be a whole number from 0 on/);
    const tied = new Embedding(12, 5, { key });
    const decoder = { inputSize: 3, hiddenSize: 4, memorySize: 5, attentionSize: 6, vocabularySize: 12 };
    expect(() => new AdditiveDecoder(decoder, key, { tied })).toThrow(/a tied table must be \[vocabularySize, inputSize\]/);
  });
});

describe("NARM", () => {
  it("learns to repeat the first item of a session", () => {
    const model = new NARM(9, 8, 12, { key: key.split("narm") });
    const optimiser = new AdamW(model.parameters(), { lr: 2e-2, weightDecay: 0 });
    const draw = (step: number) => randomIntegers(key.split("clicks").split(step), [32, 4], 0, 9);
    const firsts = (items: ReturnType<typeof draw>) => tensor((items.toArray() as number[][]).map(([item]) => item!), { dtype: "int32" }); // prettier-ignore
    for (let step = 0; step < 150; step++) {
      trainStep(draw(step), { optimiser, key, loss: (items) => crossEntropy(model.forward(items), firsts(items)) });
    }
    const items = draw(-1);
    const said = argmax(model.forward(items), -1).toArray() as number[];
    const right = said.filter((item, b) => item === (firsts(items).toArray() as number[])[b]).length;
    expect(right).toBeGreaterThan(0.8 * 32);
  }, 60_000);

  it.each([false, true])("means after each click what it means at the end of a session that ends there, normalize %s", (normalize) => {
    const model = new NARM(9, 3, 4, { key, normalize });
    const items = randomIntegers(key.split("items"), [2, 5], 0, 9);
    const each = model.score(model.intentions(items, [5, 3]));
    expect(each.shape).toEqual([2, 5, 9]);
    for (const [b, length] of [5, 3].entries()) {
      for (let t = 1; t <= length; t++) {
        const ended = model.forward(slice(slice(items, 0, b, b + 1), 1, 0, t));
        expectClose(slice(slice(each, 0, b, b + 1), 1, t - 1, t), reshape(ended, [1, 1, 9]), 1e-5);
      }
    }
    expectModuleGradient(model, () => slice(model.intentions(items, [5, 3]), 1, 0, 3), []);
  });

  it("drops embeddings and features in training only", () => {
    const model = new NARM(9, 3, 4, { key, embeddingDropoutP: 0.5, featureDropoutP: 0.5 });
    model.parameters();
    const items = randomIntegers(key.split("items"), [2, 5], 0, 9);
    const plain = new NARM(9, 3, 4, { key });
    expectClose(model.intentions(items), plain.intentions(items));
    expect(training(key, () => model.intentions(items)).toArray()).not.toEqual(plain.intentions(items).toArray());
    expect(() => new NARM(9, 3, 4, { key, featureDropoutP: 1 })).toThrow(/p must be/);
  });

  it("gives α of 0 beyond the end, and weights that sum to 1 where that is asked", () => {
    const model = new NARM(9, 3, 4, { key, normalize: true });
    const items = randomIntegers(key.split("items"), [2, 5], 0, 9);
    const { alpha } = model.attend(items, [5, 2]);
    const rows = alpha.toArray() as number[][];
    rows.forEach((row) => expect(row.reduce((sum, a) => sum + a, 0)).toBeCloseTo(1, 5));
    expect(rows[1]!.slice(2)).toEqual([0, 0, 0]);
    expect(() => model.forward(tensor(Int32Array.of(1)))).toThrow(/items must be \[B, L\]/);
  });
});
