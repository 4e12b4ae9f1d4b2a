import { expectNear, implementationsOf, inWorkspace, largest, noise, unitRoundoff } from "@heed/kernels/testing";
import { describe, expect, it } from "vitest";
import { gruShape, hiddenPieces, lstmShape, plainShape, type CellShape } from "./cell-shape.ts";
import { packedBackwardBytes, packedForwardBytes, sequenceScratchBytes } from "./layout.ts";
import { sequence, type SequenceKernels } from "./sequence.ts";

const exact = sequence.implementation("reference", "float64");
const cells = [
  ["lstm", lstmShape],
  ["gru", gruShape],
  ["tanh", plainShape],
  ["relu", plainShape],
] as const;
type Name = (typeof cells)[number][0];

interface Case {
  title: string;
  H: number;
  lengths: readonly number[];
  /** Initial states, gradients of final ones, bias. Default true. */
  states?: boolean;
  /** Calls, as ends of ranges of sequences. */
  cuts?: readonly number[];
}

const cases: Case[] = [
  ...[1, 3, 4, 7, 8, 9, 15, 16, 17, 24, 33].map((H): Case => ({ title: `H = ${H}`, H, lengths: [3, 3] })),
  ...[1, 4, 5, 6, 7, 11, 12, 13, 33, 65].map((B): Case => ({ title: `B = ${B}`, H: 9, lengths: Array<number>(B).fill(2) })),
  { title: "more terms than one pass over the sum takes", H: 520, lengths: [2, 1] },
  { title: "lengths that differ", H: 10, lengths: [5, 5, 3, 2, 2, 1] },
  { title: "sequences of no steps", H: 5, lengths: [4, 2, 0, 0] },
  { title: "no states", H: 12, lengths: [4, 4, 2], states: false },
  { title: "no states, one step", H: 6, lengths: [1, 1], states: false },
  { title: "nothing but sequences of no steps", H: 5, lengths: [0, 0] },
  { title: "no sequences", H: 5, lengths: [] },
  { title: "no units", H: 0, lengths: [2, 2] },
  { title: "two calls", H: 20, lengths: [6, 6, 5, 4, 4, 3, 1], cuts: [3, 7] },
];

/** Runs forward and backward; results in an order of their own. */
function run(
  kernels: SequenceKernels,
  dtype: "float32" | "float64",
  name: Name,
  shape: CellShape,
  given: Case,
  { keep = true, scale = 1 } = {},
) {
  const { H, lengths, states = true, cuts = [lengths.length] } = given;
  const { slots, inputSlots, hidden, hasCell } = shape;
  const [B, L] = [lengths.length, Math.max(0, ...lengths)];
  const offsets = Array.from({ length: L + 2 }, (_, s) => lengths.reduce((sum, length) => sum + Math.min(length, s), 0));
  const N = offsets[L];
  // Each row of output is somewhere else, as in a batch that comes first.
  const index = Array.from({ length: L }, (_, s) => lengths.flatMap((length, b) => (s < length ? [b * L + s] : []))).flat();
  const outputStride = H + 3;
  const width = dtype === "float32" ? 4 : 8;
  return inWorkspace(dtype, (w) => {
    const some = (count: number, seed: number, misaligned: number) => (states ? w.reals(noise(count, seed), misaligned) : 0);
    const gatesStride = slots * H + 2;
    const projections = noise(N * inputSlots * H, 1);
    const rows = (fill: (n: number, i: number) => number) =>
      w.reals(
        Array.from({ length: N * gatesStride }, (_, at) => fill(Math.floor(at / gatesStride), at % gatesStride)),
        1,
      );
    const gates = rows((n, i) => (i < inputSlots * H ? scale * projections[n * inputSlots * H + i] : NaN));
    const weight = w.reals(
      noise(hidden.length * H * H, 2).map((x) => Math.fround(x / Math.sqrt(H))),
      3,
    );
    const [h0, c0, bias] = [some(B * H, 3, 1), hasCell ? some(B * H, 4, 2) : 0, some(slots * H, 5, 3)];
    const packed = w.bytes(packedForwardBytes(width, hidden.length, slots, H));
    kernels.packForward(weight, bias, packed, hidden.length, slots, H);
    const cellsKept = w.reals(hasCell ? N * H : 0);
    const output = w.reals(Array<number>(B * L * outputStride).fill(9), 1);
    const [hLast, cLast] = [w.reals(B * H), w.reals(hasCell ? B * H : 0)];
    const [offsetsAt, indexAt] = [w.ints(offsets), w.ints(index)];
    const scratch = w.bytes(sequenceScratchBytes(width, B, H));
    const eachCut = (visit: (from: number, to: number) => void) => cuts.forEach((to, i) => visit(i === 0 ? 0 : cuts[i - 1], to));
    eachCut((from, to) =>
      kernels[`${name}Forward`](
        gates,
        gatesStride,
        cellsKept,
        packed,
        1,
        h0,
        c0,
        output,
        outputStride,
        hLast,
        cLast,
        offsetsAt,
        indexAt,
        L,
        H,
        Number(keep),
        from,
        to,
        scratch,
      ),
    );
    const read = (pointer: number, stride: number, count: number) => {
      const all = w.readReals(pointer, N * stride);
      return Array.from({ length: N }, (_, n) => all.slice(n * stride, n * stride + count)).flat();
    };
    const gap = w.readReals(output, B * L * outputStride).filter((_, at) => at % outputStride >= H);
    expect(gap.every((value) => value === 9)).toBe(true);
    const outputs = index.flatMap((row) => w.readReals(output + row * outputStride * width, H));
    const before = index.flatMap((_, n) => {
      const s = offsets.findIndex((first, step) => first <= n && n < offsets[step + 1]);
      const b = n - offsets[s];
      if (s > 0) return outputs.slice((offsets[s - 1] + b) * H, (offsets[s - 1] + b + 1) * H);
      return states ? w.readReals(h0 + b * H * width, H) : Array<number>(H).fill(0);
    });
    const forward = {
      output: outputs,
      hLast: w.readReals(hLast, B * H),
      cLast: w.readReals(cLast, hasCell ? B * H : 0),
      gates: keep ? read(gates, gatesStride, slots * H) : [],
      cells: keep ? w.readReals(cellsKept, hasCell ? N * H : 0) : [],
    };
    if (!keep) return { ...forward, dgates: [], dh0: [], dc0: [] };

    const dgates = rows(() => 9);
    const pieces = w.bytes(packedBackwardBytes(width, hidden.length * H, H));
    for (const { from, count } of hiddenPieces(shape))
      kernels.packBackward(weight + from * H * H * width, pieces + packedBackwardBytes(width, from * H, H), count * H, H);
    const dy = w.reals(noise(B * L * outputStride, 6), 2);
    const [dhLast, dcLast] = [some(B * H, 7, 1), hasCell ? some(B * H, 8, 3) : 0];
    const [dh0, dc0] = states ? [w.reals(B * H), w.reals(hasCell ? B * H : 0)] : [0, 0];
    eachCut((from, to) =>
      kernels[`${name}Backward`](
        dgates,
        gates,
        gatesStride,
        cellsKept,
        c0,
        w.reals(before, 1),
        pieces,
        dy,
        outputStride,
        dhLast,
        dcLast,
        dh0,
        hasCell ? dc0 : 0,
        offsetsAt,
        indexAt,
        L,
        H,
        from,
        to,
        scratch,
      ),
    );
    expect(w.readReals(dgates, N * gatesStride).filter((_, at) => at % gatesStride >= slots * H)).toEqual(Array<number>(2 * N).fill(9));
    return {
      ...forward,
      dgates: read(dgates, gatesStride, slots * H),
      dh0: states ? w.readReals(dh0, B * H) : [],
      dc0: states && hasCell ? w.readReals(dc0, B * H) : [],
    };
  });
}

describe.each(cells)("sequence %s", (name, shape) => {
  it("has the gradient of its central differences", () => {
    // Σ output · dy + Σ hLast · dhLast by the projections, of which the gates' gradient is the derivative.
    const [H, L] = [3, 3];
    const loss = (kernels: SequenceKernels, projections: number[]) =>
      inWorkspace("float64", (w) => {
        const { gates, ...rest } = place(w, shape, H, L, projections);
        kernels[`${name}Forward`](...forwardArguments({ gates, ...rest }, shape, H, L));
        const outputs = w.readReals(rest.output, L * H);
        const dy = noise(L * H, 6);
        return outputs.reduce((sum, value, i) => sum + value * dy[i], 0);
      });
    const projections = noise(L * shape.slots * H, 1);
    if (shape.slots > shape.inputSlots)
      projections.forEach((_, i) => {
        if (i % (shape.slots * H) >= shape.inputSlots * H) projections[i] = 0;
      });
    inWorkspace("float64", (w) => {
      const placed = place(w, shape, H, L, projections);
      exact[`${name}Forward`](...forwardArguments(placed, shape, H, L));
      const dgates = w.reals(L * shape.slots * H);
      const outputs = w.readReals(placed.output, L * H);
      const before = w.reals([...Array<number>(H).fill(0), ...outputs.slice(0, -H)]);
      const pieces = w.bytes(packedBackwardBytes(8, shape.hidden.length * H, H));
      for (const { from, count } of hiddenPieces(shape))
        exact.packBackward(placed.weight + from * H * H * 8, pieces + packedBackwardBytes(8, from * H, H), count * H, H);
      const { gates, cells: kept, offsets, index, scratch } = placed;
      const row = shape.slots * H;
      exact[`${name}Backward`](
        dgates,
        gates,
        row,
        kept,
        0,
        before,
        pieces,
        w.reals(noise(L * H, 6)),
        H,
        0,
        0,
        0,
        0,
        offsets,
        index,
        L,
        H,
        0,
        1,
        scratch,
      );
      const inputs = (values: number[]) => values.filter((_, i) => i % row < shape.inputSlots * H);
      const differences = projections.map((value, i) => {
        const moved = (step: number) => loss(exact, projections.with(i, value + step));
        return (moved(1e-5) - moved(-1e-5)) / 2e-5;
      });
      // Third derivatives below 6 give h² · 6 / 6; rounding ε / h. (Noise keeps relu off its kink.)
      expectNear(inputs(w.readReals(dgates, L * row)), inputs(differences), 2e-10);
    });
  });

  describe.each(implementationsOf(sequence).slice(1))("$name", ({ kernels, dtype }) => {
    const u = unitRoundoff(dtype);

    it.each(cases)("agrees with float64: $title", (given) => {
      const [actual, expected] = [run(kernels, dtype, name, shape, given), run(exact, "float64", name, shape, given)];
      const L = Math.max(1, ...given.lengths);
      // A sum of H + 2 terms, each below 1 in size and together of size about 1, errs by √(H + 2) u or less on average; the cell by
      // 20 u; each step hands an error on with a factor below 2. Gradients are products of up to five such numbers.
      const tolerance = 2 ** L * (Math.sqrt(given.H + 2) + 20) * u;
      for (const key of Object.keys(expected) as (keyof typeof expected)[])
        expectNear(actual[key], expected[key], 4 * tolerance * Math.max(1, largest(expected[key])), key);
    });

    it("keeps nothing if not asked to, and computes the same bits", () => {
      const given = cases.find(({ title }) => title === "lengths that differ")!;
      const [kept, plain] = [run(kernels, dtype, name, shape, given), run(kernels, dtype, name, shape, given, { keep: false })];
      expect([plain.output, plain.hLast, plain.cLast]).toEqual([kept.output, kept.hLast, kept.cLast]);
    });

    it("gives the same bits however the sequences are cut", () => {
      const given = cases.find(({ title }) => title === "two calls")!;
      expect(run(kernels, dtype, name, shape, given)).toEqual(run(kernels, dtype, name, shape, { ...given, cuts: [7] }));
      expect(run(kernels, dtype, name, shape, given)).toEqual(run(kernels, dtype, name, shape, { ...given, cuts: [1, 2, 3, 4, 5, 6, 7] }));
    });

    it("saturates without NaN", () => {
      if (name === "relu") return;
      const { output, gates, dgates } = run(kernels, dtype, name, shape, { title: "", H: 5, lengths: [2, 2] }, { scale: 1e30 });
      expect([...output, ...gates, ...dgates].every(Number.isFinite)).toBe(true);
    });
  });
});

/** One sequence of L steps without initial state. */
function place(
  w: Parameters<Parameters<typeof inWorkspace>[1]>[0],
  { slots, hidden, hasCell }: CellShape,
  H: number,
  L: number,
  projections: number[],
) {
  const weight = w.reals(noise(hidden.length * H * H, 2));
  const packed = w.bytes(packedForwardBytes(8, hidden.length, slots, H));
  exact.packForward(weight, w.reals(noise(slots * H, 5)), packed, hidden.length, slots, H);
  return {
    weight,
    packed,
    gates: w.reals(projections),
    cells: w.reals(hasCell ? L * H : 0),
    output: w.reals(L * H),
    last: w.reals(2 * H),
    offsets: w.ints([...Array(L + 1).keys(), L]),
    index: w.ints([...Array(L).keys()]),
    scratch: w.bytes(sequenceScratchBytes(8, 1, H)),
  };
}

function forwardArguments(at: ReturnType<typeof place>, { slots }: CellShape, H: number, L: number) {
  const { gates, cells: kept, packed, output, last, offsets, index, scratch } = at;
  return [gates, slots * H, kept, packed, 1, 0, 0, output, H, last, last + 8 * H, offsets, index, L, H, 1, 0, 1, scratch] as const;
}
