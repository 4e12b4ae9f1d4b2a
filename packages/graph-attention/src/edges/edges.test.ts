import { expectNear, implementationsOf, inWorkspace, largest, noise, unitRoundoff, type Workspace } from "@heed/kernels/testing";
import { describe, expect, it } from "vitest";
import { edges, type EdgeKernels } from "./edges.ts";

const exact = edges.implementation("reference", "float64");

interface Rows {
  N: number;
  E: number;
  offsets: number[];
  columns: number[];
  slots: number[];
}

/** Rows of edges whose counts go round the list; columns and slots in no order. */
function rowsOf(counts: readonly number[], N: number): Rows {
  const offsets = [0];
  for (let i = 0; i < N; i++) offsets.push(offsets[i]! + counts[i % counts.length]!);
  const E = offsets[N]!;
  return {
    N,
    E,
    offsets,
    columns: Array.from({ length: E }, (_, k) => (k * 7 + 3) % N),
    slots: Array.from({ length: E }, (_, k) => E - 1 - k),
  };
}

type Run = (kernels: EdgeKernels, space: Workspace, rows: Rows, heads: number, width: number, cuts: readonly number[]) => number[];

const each = (cuts: readonly number[], call: (from: number, to: number) => void) => {
  for (let i = 0; i + 1 < cuts.length; i++) call(cuts[i]!, cuts[i + 1]!);
};
const places = (space: Workspace, { offsets, columns, slots }: Rows) =>
  [space.ints(offsets, 1), space.ints(columns, 1), space.ints(slots, 3)] as const;

const kernels: Record<string, Run> = {
  weightedSum(run, space, rows, H, F, cuts) {
    const [values, weights, out] = [
      space.reals(noise(rows.N * H * F, 1), 1),
      space.reals(noise(rows.E * H, 2)),
      space.reals(rows.N * H * F, 2),
    ];
    const [offsets, columns, slots] = places(space, rows);
    each(cuts, (from, to) => run.weightedSum(values, weights, out, offsets, columns, slots, from, to, H, F));
    return space.readReals(out, rows.N * H * F);
  },
  edgeDots(run, space, rows, H, F, cuts) {
    const [a, b, out] = [space.reals(noise(rows.N * H * F, 1)), space.reals(noise(rows.N * H * F, 2), 3), space.reals(rows.E * H, 1)];
    const [offsets, columns, slots] = places(space, rows);
    each(cuts, (from, to) => run.edgeDots(a, b, out, offsets, columns, slots, from, to, H, F));
    return space.readReals(out, rows.E * H);
  },
  pairSum(run, space, rows, H, F, cuts) {
    const width = H * F;
    const [a, b, out] = [space.reals(noise(rows.N * width, 1)), space.reals(noise(rows.N * width, 2)), space.reals(rows.E * width)];
    const [offsets, columns, slots] = places(space, rows);
    each(cuts, (from, to) => run.pairSum(a, b, out, offsets, columns, slots, from, to, width));
    return space.readReals(out, rows.E * width);
  },
  rowSum(run, space, rows, H, F, cuts) {
    const width = H * F;
    const [x, out] = [space.reals(noise(rows.E * width, 1)), space.reals(rows.N * width)];
    const [offsets, , slots] = places(space, rows);
    each(cuts, (from, to) => run.rowSum(x, out, offsets, slots, from, to, width));
    return space.readReals(out, rows.N * width);
  },
  edgeSoftmax(run, space, rows, H, _, cuts) {
    const scores = noise(rows.E * H, 1).map((value, i) => (i % 11 === 0 ? -Infinity : 5 * value));
    const [from64, out] = [space.reals(scores, 1), space.reals(rows.E * H, 2)];
    const [offsets, , slots] = places(space, rows);
    each(cuts, (from, to) => run.edgeSoftmax(from64, out, offsets, slots, from, to, H));
    return space.readReals(out, rows.E * H);
  },
  pairSoftmax(run, space, rows, H, _, cuts) {
    const [a, b, out] = [space.reals(noise(rows.N * H, 1), 1), space.reals(noise(rows.N * H, 2), 2), space.reals(rows.E * H)];
    const [offsets, columns, slots] = places(space, rows);
    each(cuts, (from, to) => run.pairSoftmax(a, b, out, offsets, columns, slots, from, to, H, 0.2));
    return space.readReals(out, rows.E * H);
  },
  pairAttention(run, space, rows, H, F, cuts) {
    const [a, b] = [space.reals(noise(rows.N * H, 1), 1), space.reals(noise(rows.N * H, 2), 2)];
    const [values, weights] = [space.reals(noise(rows.N * H * F, 3), 1), space.reals(rows.E * H)];
    const [factors, out] = [space.reals(rows.N * H, 1), space.reals(rows.N * H * F, 3)];
    const [offsets, columns] = places(space, rows);
    const results = [1, 0].map((keep) => {
      each(cuts, (from, to) => run.pairAttention(a, b, values, weights, factors, out, offsets, columns, from, to, H, F, 0.2, keep));
      return [
        ...space.readReals(out, rows.N * H * F),
        ...space.readReals(factors, rows.N * H),
        ...(keep ? space.readReals(weights, rows.E * H) : []),
      ];
    });
    return results.flat();
  },
  pairSoftmaxGrad(run, space, rows, H, _, cuts) {
    const [a, b] = [space.reals(noise(rows.N * H, 1), 1), space.reals(noise(rows.N * H, 2), 2)];
    const [weights, g] = [space.reals(noise(rows.E * H, 3)), space.reals(noise(rows.E * H, 4), 1)];
    const [dz, da] = [space.reals(rows.E * H), space.reals(rows.N * H, 3)];
    const [offsets, columns, slots] = places(space, rows);
    each(cuts, (from, to) => run.pairSoftmaxGrad(a, b, weights, g, dz, da, offsets, columns, slots, from, to, H, 0.2));
    return [...space.readReals(dz, rows.E * H), ...space.readReals(da, rows.N * H)];
  },
  edgeSoftmaxGrad(run, space, rows, H, _, cuts) {
    const [weights, g, out] = [space.reals(noise(rows.E * H, 1)), space.reals(noise(rows.E * H, 2)), space.reals(rows.E * H)];
    const [offsets, , slots] = places(space, rows);
    each(cuts, (from, to) => run.edgeSoftmaxGrad(weights, g, out, offsets, slots, from, to, H));
    return space.readReals(out, rows.E * H);
  },
  edgeAdditive(run, space, rows, H, F, cuts) {
    const [a, b, c, vector, out] = operands(space, rows, H, F);
    const [offsets, columns, slots] = places(space, rows);
    const results = [0, c].map((edge) => {
      each(cuts, (from, to) => run.edgeAdditive(a, b, edge, vector, out, offsets, columns, slots, from, to, H, F, 0.2));
      return space.readReals(out, rows.E * H);
    });
    return results.flat();
  },
  edgeAdditiveGrad(run, space, rows, H, F, cuts) {
    const [a, b, c, vector, g] = operands(space, rows, H, F);
    space.views.real().set(noise(rows.E * H, 9), g >>> space.views.shift);
    const [da, dc] = [space.reals(rows.N * H * F), space.reals(rows.E * H * F)];
    const dvector = space.reals(new Float64Array(H * F));
    const [offsets, columns, slots] = places(space, rows);
    each(cuts, (from, to) => run.edgeAdditiveGrad(a, b, c, vector, g, da, dc, dvector, offsets, columns, slots, from, to, H, F, 0.2));
    const full = [da, dc, dvector].flatMap((pointer, i) => space.readReals(pointer, [rows.N, rows.E, 1][i]! * H * F));
    each(cuts, (from, to) => run.edgeAdditiveGrad(a, b, 0, vector, g, da, 0, 0, offsets, columns, slots, from, to, H, F, 0.2));
    return [...full, ...space.readReals(da, rows.N * H * F)];
  },
};

function operands(space: Workspace, { N, E }: Rows, H: number, F: number): [number, number, number, number, number] {
  return [
    space.reals(noise(N * H * F, 1)),
    space.reals(noise(N * H * F, 2), 1),
    space.reals(noise(E * H * F, 3)),
    space.reals(noise(H * F, 4), 3),
    space.reals(E * H),
  ];
}

const shapes = [
  { counts: [3, 0, 1, 8], N: 9, heads: [1, 2, 3, 4, 5, 8], widths: [1, 3, 4, 5, 8, 16] },
  { counts: [0], N: 3, heads: [2], widths: [4] },
  { counts: [40], N: 2, heads: [4], widths: [7] },
  { counts: [2, 19], N: 3, heads: [1, 2, 4, 12], widths: [8, 16, 32, 96] },
];

describe.each(implementationsOf(edges))("edges, $name", ({ kernels: implementation, dtype }) => {
  it.each(Object.keys(kernels))("%s agrees with plain loops in double precision, for every width, in one call or several", (name) => {
    const run = kernels[name]!;
    for (const { counts, N, heads, widths } of shapes) {
      const rows = rowsOf(counts, N);
      for (const H of heads) {
        for (const F of widths) {
          const expected = inWorkspace("float64", (space) => run(exact, space, rows, H, F, [0, N]));
          // Sums of at most E · F terms, each with a few roundings: those of e^x count six.
          const tolerance = unitRoundoff(dtype) * (rows.E + F + 16) * Math.max(1, largest(expected.filter(Number.isFinite)));
          for (const cuts of [
            [0, N],
            [0, 1, N],
          ]) {
            const actual = inWorkspace(dtype, (space) => run(implementation, space, rows, H, F, cuts));
            expectNear(actual, expected, tolerance, `${name} ${H} × ${F}`);
          }
        }
      }
    }
  });

  it("gives a row that is −∞ throughout the weights 0, and large scores theirs", () => {
    inWorkspace(dtype, (space) => {
      const [scores, out] = [space.reals([-Infinity, -Infinity, 1e30, 1e30, -1e30]), space.reals(5)];
      const [offsets, slots] = [space.ints([0, 2, 5]), space.ints([0, 1, 2, 3, 4])];
      implementation.edgeSoftmax(scores, out, offsets, slots, 0, 2, 1);
      expect(space.readReals(out, 5)).toEqual([0, 0, 0.5, 0.5, 0]);
    });
  });

  it("does not touch other rows", () => {
    const rows = rowsOf([2], 4);
    inWorkspace(dtype, (space) => {
      const [values, weights, out] = [space.reals(noise(4, 1)), space.reals(noise(8, 2)), space.reals([7, 7, 7, 7])];
      const [offsets, columns, slots] = places(space, rows);
      implementation.weightedSum(values, weights, out, offsets, columns, slots, 1, 2, 1, 1);
      const [first, , third, fourth] = space.readReals(out, 4);
      expect([first, third, fourth]).toEqual([7, 7, 7]);
    });
  });
});
