import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomKey, tensor, type Tensor } from "@heed/tensor";
import type { Mask, MaskForm, TermContext } from "@heed/tensor/terms";
import {
  and,
  blocks,
  causal,
  dilated,
  document,
  fixed,
  fromDropMask,
  fromMask,
  fromTensor,
  globalTokens,
  graph,
  keyPadding,
  neighbourhood,
  not,
  or,
  padding,
  prefix,
  randomBlocks,
  shift,
  strided,
  window,
  type DrawableMask,
} from "./index.ts";

/** One pair of a query and a key; p is where the query stands. */
interface Pair {
  readonly b: number;
  readonly h: number;
  readonly i: number;
  readonly j: number;
  readonly p: number;
}
/** A mask, and its definition pair by pair, written apart from it. */
interface Case {
  readonly mask: DrawableMask;
  readonly open: (pair: Pair) => boolean;
}

const offsetOf = ({ queryOffset }: TermContext, b: number) => (typeof queryOffset === "number" ? queryOffset : queryOffset[b]!);

const contexts = (longest: number): fc.Arbitrary<TermContext> =>
  fc
    .record({ B: fc.integer({ min: 1, max: 2 }), H: fc.integer({ min: 1, max: 2 }), L: fc.nat(longest), S: fc.nat(longest) })
    .chain((sizes) =>
      fc
        .oneof(
          fc.constant(sizes.S - sizes.L),
          fc.integer({ min: -3, max: longest }),
          fc
            .array(fc.integer({ min: -3, max: longest }), { minLength: sizes.B, maxLength: sizes.B })
            .map((offsets) => Int32Array.from(offsets)),
        )
        .map((queryOffset) => ({ ...sizes, queryOffset })),
    );

/** Masks that suit a call, and what they are made of. */
function cases(context: TermContext): fc.Arbitrary<Case> {
  const { B, H, L, S } = context;
  const offsets = Array.from({ length: B }, (_, b) => offsetOf(context, b));
  const furthest = Math.max(0, L + Math.max(...offsets));
  const list = (n: number, most: number) => fc.array(fc.nat(most), { minLength: n, maxLength: n });
  const bits = (n: number) => fc.array(fc.boolean(), { minLength: n, maxLength: n });
  const bool = (values: readonly boolean[], shape: readonly number[]): Tensor =>
    tensor(Uint8Array.from(values, Number), { shape, dtype: "bool" });
  /** A number, or one per sample and head. */
  const counts = (least: number, most: number) =>
    fc
      .oneof(
        list(1, most - least).map((values) => ({ values, shape: [1, 1] as const })),
        list(B * H, most - least).map((values) => ({ values, shape: [B, H] as const })),
        list(H, most - least).map((values) => ({ values, shape: [1, H] as const })),
        list(B, most - least).map((values) => ({ values, shape: [B, 1] as const })),
      )
      .map(({ values, shape }) => ({
        given:
          values.length === 1
            ? values[0]! + least
            : tensor(
                Int32Array.from(values, (n) => n + least),
                { shape },
              ),
        at: ({ b, h }: Pair) => values[(shape[0] === 1 ? 0 : b) * shape[1] + (shape[1] === 1 ? 0 : h)]! + least,
      }));
  const leaves: fc.Arbitrary<Case>[] = [
    fc.constant({ mask: causal(), open: ({ j, p }) => j <= p }),
    fc.tuple(counts(-1, 5), counts(-1, 5)).map(([left, right]) => ({
      mask: window(left.given, right.given),
      open: (at) => (left.at(at) === -1 || at.j >= at.p - left.at(at)) && (right.at(at) === -1 || at.j <= at.p + right.at(at)),
    })),
    fc.tuple(counts(0, 3), counts(1, 4)).map(([radius, dilation]) => ({
      mask: dilated(radius.given, dilation.given),
      open: (at) => Math.abs(at.p - at.j) <= radius.at(at) * dilation.at(at) && Math.abs(at.p - at.j) % dilation.at(at) === 0,
    })),
    counts(0, S + 2).map((lengths) => ({ mask: padding(lengths.given), open: (at) => at.j < lengths.at(at) })),
    list(B, S + 2).map((lengths) => ({ mask: prefix(lengths), open: ({ b, j, p }) => j <= p || j < lengths[b]! })),
    fc.integer({ min: 1, max: 9 }).map((stride) => ({
      mask: strided(stride),
      open: ({ j, p }) => j <= p && (p - j < stride || (p - j) % stride === 0),
    })),
    fc.integer({ min: 1, max: 9 }).chain((block) =>
      fc.nat(block).map((summary) => ({
        mask: fixed(block, summary),
        open: ({ j, p }: Pair) => j <= p && (Math.floor(p / block) === Math.floor(j / block) || j % block >= block - summary),
      })),
    ),
    fc.array(fc.nat(S + 3), { maxLength: 4 }).map((tokens) => ({
      mask: globalTokens(tokens),
      open: ({ j, p }) => tokens.includes(p) || tokens.includes(j),
    })),
    list(S, 2).map((ids) => ({
      mask: document(ids),
      open: ({ j, p }) => p >= 0 && p < S && ids[p] === ids[j],
    })),
    bits(B * S).map((keep) => ({ mask: keyPadding(bool(keep, [B, S])), open: ({ b, j }) => keep[b * S + j]! })),
    bits(H * L * S).map((open) => ({
      mask: fromTensor(bool(open, [H, L, S])),
      open: ({ h, i, j }) => open[(h * L + i) * S + j]!,
    })),
    bits(B * L).map((drop) => ({ mask: fromDropMask(bool(drop, [B, 1, L, 1])), open: ({ b, i }) => !drop[b * L + i]! })),
    fc.integer({ min: 1, max: 5 }).chain((block) => {
      const [R, C] = [Math.ceil(furthest / block) + 1, Math.ceil(S / block)];
      return bits(H * R * C).map((layout) => ({
        mask: blocks(bool(layout, [H, R, C]), block),
        open: ({ h, j, p }: Pair) => p >= 0 && layout[(h * R + Math.floor(p / block)) * C + Math.floor(j / block)]!,
      }));
    }),
    fc
      .tuple(fc.array(fc.tuple(fc.nat(Math.max(S - 1, 0)), fc.nat(furthest + 2)), { maxLength: S === 0 ? 0 : 12 }), fc.boolean())
      .map(([edges, selfLoops]) => ({
        mask: graph(tensor(Int32Array.from([...edges.map(([from]) => from), ...edges.map(([, to]) => to)]), { shape: [2, edges.length] }), {
          selfLoops,
        }),
        open: ({ j, p }) => edges.some(([from, to]) => from === j && to === p) || (selfLoops && j === p),
      })),
  ];
  if (Math.min(...offsets) >= 0) {
    leaves.push(
      fc
        .record({ rows: fc.integer({ min: 1, max: 4 }), r: fc.nat(2), c: fc.nat(2), before: fc.nat(2), moves: fc.boolean() })
        .map((given) => {
          const { rows: R, r, c, before, moves } = given;
          const C = Math.max(1, Math.ceil((Math.max(S, furthest) - before) / R));
          const near = (query: number, key: number, reach: number, n: number) => {
            if (!moves) return Math.abs(query - key) <= reach;
            const first = Math.max(0, Math.min(query - reach, n - (2 * reach + 1)));
            return key >= first && key <= first + 2 * reach;
          };
          return {
            mask: neighbourhood({ grid: [R, C], radius: [r, c], prefix: before, border: moves ? "shift" : "clip" }),
            open: ({ j, p }: Pair) => {
              const [query, key] = [p - before, j - before];
              if (query < 0 || key < 0) return true;
              return near(Math.floor(query / C), Math.floor(key / C), r, R) && near(query % C, key % C, c, C);
            },
          };
        }),
    );
  }
  return fc.letrec<{ one: Case }>((tie) => {
    const two = fc.tuple(tie("one"), tie("one"));
    return {
      one: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        fc.oneof(...leaves),
        two.map(([x, y]) => ({ mask: and(x.mask, y.mask), open: (at: Pair) => x.open(at) && y.open(at) })),
        two.map(([x, y]) => ({ mask: or(x.mask, y.mask), open: (at: Pair) => x.open(at) || y.open(at) })),
        tie("one").map((x) => ({ mask: not(x.mask), open: (at: Pair) => !x.open(at) })),
      ),
    };
  }).one;
}

const cased = (longest: number) => contexts(longest).chain((context) => cases(context).map((one) => ({ context, ...one })));

/** Every pair that a mask's own samples and heads tell apart. */
function* pairs(context: TermContext, batches: number, heads: number): Generator<Pair> {
  for (let b = 0; b < batches; b++)
    for (let h = 0; h < heads; h++)
      for (let i = 0; i < context.L; i++) for (let j = 0; j < context.S; j++) yield { b, h, i, j, p: i + offsetOf(context, b) };
}

/** What a kernel reads from the lowered form. */
function allows(form: MaskForm, { L, S }: TermContext, { b, h, i, j }: Pair): boolean {
  const group = (form.batches === 1 ? 0 : b) * form.heads + (form.heads === 1 ? 0 : h);
  if (form.form === "ranges") {
    const at = (group * L + i) * form.ranges * 2;
    return Array.from({ length: form.ranges }, (_, k) => j >= form.bounds[at + 2 * k]! && j < form.bounds[at + 2 * k + 1]!).some(Boolean);
  }
  const across = Math.ceil(S / form.columns);
  const tile = (group * Math.ceil(L / form.rows) + Math.floor(i / form.rows)) * across + Math.floor(j / form.columns);
  if (form.verdicts[tile] !== 2) return form.verdicts[tile] === 1;
  const bit = (i % form.rows) * form.columns + (j % form.columns);
  return ((form.bits[form.bitsAt[tile]! + (bit >> 3)]! >> (bit & 7)) & 1) === 1;
}

/** Pairs at which the mask says another thing than its definition, densely or lowered. */
function faults({ mask, open, context }: Case & { context: TermContext }): string[] {
  const dense = mask.dense(context);
  const [batches, heads] = dense.shape as unknown as readonly [number, number];
  expect(dense.shape.slice(2)).toEqual([context.L, context.S]);
  const bits = dense.toTypedArray();
  const form = mask.lower(context);
  const found: string[] = [];
  let at = 0;
  for (const pair of pairs(context, batches, heads)) {
    const [wanted, said, lowered] = [open(pair), bits[at++] === 1, allows(form, context, pair)];
    if (wanted !== said || wanted !== lowered) found.push(`${JSON.stringify(pair)}: wanted ${wanted}, dense ${said}, lowered ${lowered}`);
  }
  // What it does not tell apart must be alike.
  const last = { b: context.B - 1, h: context.H - 1, i: 0, j: 0, p: offsetOf(context, context.B - 1) };
  if (context.L * context.S > 0 && allows(form, context, last) !== open(last)) found.push(`extent: ${JSON.stringify(last)}`);
  return found;
}

describe("every mask", () => {
  it("says what its definition says, densely and lowered, whatever the shapes, offsets and combinations", () => {
    fc.assert(
      fc.property(cased(9), (one) => {
        expect(faults(one), one.mask.name).toEqual([]);
      }),
      { numRuns: 600 },
    );
  });

  it("says it across tiles, whose edges the sizes do not meet", () => {
    fc.assert(
      fc.property(cased(150), (one) => {
        expect(faults(one), one.mask.name).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });

  it("is the same for who knows but its lowered form, or its dense definition: strangers' masks combine", () => {
    fc.assert(
      fc.property(cased(70), fc.boolean(), ({ mask, context }, dense) => {
        const { name } = mask;
        const stranger = (dense ? { name, dense: mask.dense } : { name, dense: mask.dense, lower: mask.lower }) as Mask;
        const bits = (of: Mask) => of.dense(context).toTypedArray();
        expect(bits(fromMask(stranger))).toEqual(bits(mask));
        expect(and(stranger, causal()).lower(context)).toEqual(and(mask, causal()).lower(context));
        expect(not(stranger).lower(context)).toEqual(not(mask).lower(context));
      }),
      { numRuns: 60 },
    );
    // Two ranges in any order, and tiles of another size.
    const context = { B: 1, H: 1, L: 1, S: 20, queryOffset: 0 };
    const ranges = { form: "ranges", batches: 1, heads: 1, ranges: 2, bounds: Int32Array.of(12, 15, 3, 13) } as const;
    const tiles = {
      form: "tiles",
      batches: 1,
      heads: 1,
      rows: 1,
      columns: 8,
      verdicts: Uint8Array.of(2, 1, 0),
      bitsAt: Int32Array.of(0, -1, -1),
      bits: Uint8Array.of(0b1000_0001),
    } as const;
    const text = (form: MaskForm) =>
      fromMask({ name: "own", dense: () => tensor([[true]]), lower: () => form }).toString(context.L, context.S, context);
    expect(text(ranges).replaceAll(" ", "")).toBe("···■■■■■■■■■■■■·····");
    expect(text(tiles).replaceAll(" ", "")).toBe("■······■■■■■■■■■····");
  });

  it("obeys De Morgan, and is itself when turned round twice", () => {
    const two = contexts(9).chain((context) => fc.tuple(fc.constant(context), cases(context), cases(context)));
    fc.assert(
      fc.property(two, ([context, { mask: a }, { mask: b }]) => {
        const bits = (mask: DrawableMask) => Buffer.from(mask.dense(context).toTypedArray() as Uint8Array).toString("hex");
        expect(bits(not(and(a, b)))).toBe(bits(or(not(a), not(b))));
        expect(bits(not(or(a, b)))).toBe(bits(and(not(a), not(b))));
        expect(bits(not(not(a)))).toBe(bits(a));
      }),
      { numRuns: 200 },
    );
  });

  it("stands where it is told to: shift(mask, n) is the mask at an offset n further on", () => {
    const shifted = cased(9).chain((one) => fc.tuple(fc.constant(one), fc.integer({ min: 0, max: 3 })));
    fc.assert(
      fc.property(shifted, ([{ mask, context }, by]) => {
        const { queryOffset } = context;
        const moved = {
          ...context,
          queryOffset: typeof queryOffset === "number" ? queryOffset - by : queryOffset.map((offset) => offset - by),
        };
        expect(shift(mask, by).dense(moved).toTypedArray()).toEqual(mask.dense(context).toTypedArray());
        expect(shift(mask, by).lower(moved)).toEqual(mask.lower(context));
      }),
      { numRuns: 200 },
    );
  });

  it("gives verdicts that its pairs bear out, of tiles of any size", () => {
    const tiled = cased(40).chain((one) => fc.tuple(fc.constant(one), fc.integer({ min: 1, max: 17 }), fc.integer({ min: 1, max: 17 })));
    fc.assert(
      fc.property(tiled, ([{ mask, open, context }, rows, columns]) => {
        const { L, S, ...options } = context;
        const tiles = mask.tiles(L, S, { ...options, rows, columns });
        expect(tiles.verdicts.length).toBe(tiles.batches * tiles.heads * tiles.down * tiles.across);
        const counts = Array.from(tiles.verdicts, () => [0, 0]);
        for (const pair of pairs(context, tiles.batches, tiles.heads)) {
          const row = (pair.b * tiles.heads + pair.h) * tiles.down + Math.floor(pair.i / rows);
          counts[row * tiles.across + Math.floor(pair.j / columns)]![Number(open(pair))]!++;
        }
        expect([...tiles.verdicts]).toEqual(counts.map(([closed, seen]) => (seen === 0 ? 0 : closed === 0 ? 1 : 2)));
      }),
      { numRuns: 100 },
    );
  });

  it("gives a bias of 0 and −∞ that says the same as its tensor", () => {
    fc.assert(
      fc.property(cased(9), ({ mask, context: { L, S, ...options } }) => {
        const [bits, bias] = [mask.toTensor(L, S, options), mask.toBias(L, S, options)];
        expect(bias.shape).toEqual(bits.shape);
        expect(bias.toTypedArray()).toEqual(Float32Array.from(bits.toTypedArray() as Uint8Array, (open) => (open === 1 ? 0 : -Infinity)));
      }),
    );
  });
});

describe("randomBlocks", () => {
  const key = randomKey(3);
  const [block, n] = [4, 11];
  const rowsOf = (mask: DrawableMask, options = {}) =>
    mask.toTensor(40, n * block, { queryOffset: 0, ...options }).toArray() as boolean[][];

  it("shows every block of queries `count` whole blocks of keys, all where there are no more", () => {
    for (const count of [0, 1, 3, n, n + 5]) {
      const rows = rowsOf(randomBlocks({ key, block, count }));
      rows.forEach((row, i) => {
        expect(row).toEqual(rows[i - (i % block)]);
        const seen = Array.from({ length: n }, (_, c) => row.slice(c * block, (c + 1) * block));
        expect(seen.every((keys) => keys.every((open) => open === keys[0]))).toBe(true);
        expect(seen.filter(([open]) => open).length).toBe(Math.min(count, n));
      });
    }
  });

  it("draws the same from the same key wherever a call starts, and each head its own where asked", () => {
    const mask = randomBlocks({ key, block, count: 3 });
    const whole = rowsOf(mask);
    expect(mask.toTensor(7, n * block, { queryOffset: 13 }).toArray()).toEqual(whole.slice(13, 20));
    expect(rowsOf(randomBlocks({ key: randomKey(3), block, count: 3 }))).toEqual(whole);
    expect(rowsOf(randomBlocks({ key: randomKey(4), block, count: 3 }))).not.toEqual(whole);
    const perHead = randomBlocks({ key, block, count: 3, perHead: true }).toTensor(40, n * block, { H: 2 });
    expect(perHead.shape).toEqual([1, 2, 40, n * block]);
    const [first, second] = (perHead.toArray() as boolean[][][][])[0]!;
    expect(first).not.toEqual(second);
  });

  it("draws each block of keys equally often", () => {
    const rows = rowsOf(randomBlocks({ key, block, count: 3 }), {}).length; // 10 blocks of queries
    const seen = new Float64Array(n);
    const keys = 200;
    for (let k = 0; k < keys; k++) {
      const bits = randomBlocks({ key: randomKey(100 + k), block, count: 3 })
        .toTensor(rows, n * block, { queryOffset: 0 })
        .toArray() as boolean[][];
      for (let i = 0; i < rows; i += block) for (let c = 0; c < n; c++) seen[c]! += Number(bits[i]![c * block]);
    }
    // Each is drawn with probability 3 / 11 in 2,000 draws: deviation √(2000 · 3/11 · 8/11) = 20; five of them.
    const expected = (keys * (rows / block) * 3) / n;
    for (const times of seen) expect(Math.abs(times - expected)).toBeLessThan(100);
  });
});
