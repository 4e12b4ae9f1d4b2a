import { f32, f32x4, i32, v128, type FunctionHandle, type ModuleBuilder } from "@heed/kernels/assembler";
import { tileColumns } from "@heed/kernels/building-blocks";
import { ACTIVATIONS, SCORE_FORMS } from "../streaming/job.ts";
import { activationBlock, overPairs } from "../streaming/pairs.ts";
import { jobOf, workOf } from "../streaming/work.ts";

/**
 * From the gradient of a strip's scores to those of its queries (added to `sums`, four lanes for each of D numbers, then to the gradient), of the tile's
 * keys (`ofKeys`, packed as the keys are), and of the vector of an additive score.
 */
export function definePairGradients(m: ModuleBuilder): FunctionHandle<{ work: "i32"; ofKeys: "i32"; sums: "i32" }, undefined> {
  return m.internal("pairGradients", { params: { work: "i32", ofKeys: "i32", sums: "i32" } }, (f, { work, ofKeys, sums }) => {
    const w = workOf(f, work);
    const job = jobOf(f, w.local("job"));
    const D = job.local("D");
    const isDistance = f.let(i32.eq(job.int("scoreForm"), SCORE_FORMS.distance));
    const kind = job.local("activation");
    const activate = activationBlock(f, job);
    const negative = f.let(f32x4.splat(job.real("negativeSlope")));
    const vector = f.let(job.address("vector", [w.int("h"), "vectorHead"]));
    const [one, two] = [f.let(f32x4.splat(1)), f.let(f32x4.splat(2))];
    const [gradients, slopes] = [f.locals("v128", 2), f.locals("v128", 2)];
    const [x, activated, zero] = f.locals("v128", 3);
    /** Where the gradient of a score is 0 so is what comes of it, though a masked operand may be too large for the product. */
    const ofOpen = (half: number, product: ReturnType<typeof f32x4.mul>) => v128.and(product, f32x4.ne(gradients[half], zero));
    const toGradient = f.let(i32.sub(w.int("gradientStrip"), w.int("strip")));
    const toKeys = f.let(i32.sub(ofKeys, w.int("keyPanels")));
    const ofVector = f.let(i32.add(sums, i32.shl(D, 4)));
    const to = f.let(
      job.address(
        "queryGradient",
        [w.int("b"), "queryGradientBatch"],
        [w.int("h"), "queryGradientHead"],
        [i32.add(w.int("firstQuery"), w.int("row")), "queryGradientRow"],
      ),
    );
    const wanted = f.let(i32.ne(job.int("queryGradient"), 0));
    const rowBytes = f.let(i32.shl(job.int("queryGradientRow"), 2));
    const [at, from, out] = f.locals("i32", 3);
    /** Adds four lanes each of D sums to D numbers. */
    const flush = (source: typeof sums, target: typeof sums) => {
      from.set(source);
      out.set(target);
      f.forRange(0, D, 1, () => {
        const sum = f.let(v128.load(from));
        const lanes = [0, 1, 2, 3].map((lane) => f32x4.extractLane(sum, lane));
        f.store(out, f32.add(f32.load(out), f32.add(f32.add(lanes[0], lanes[1]), f32.add(lanes[2], lanes[3]))));
        f.increment(from, 16);
        f.increment(out, 4);
      });
    };
    const bytes = f.let(i32.shl(D, 4));
    f.memoryFill(ofVector, 0, bytes);
    f.memoryFill(sums, 0, bytes);
    const isLater = f.local("i32");
    overPairs(f, w, {
      row: () => {
        // What the row before has summed up.
        f.if(isLater, () => {
          f.if(wanted, () => flush(sums, to));
          f.memoryFill(sums, 0, bytes);
          f.increment(to, rowBytes);
        });
        isLater.set(1);
      },
      begin: (strip) => gradients.forEach((gradient, half) => gradient.set(v128.load(i32.add(strip, toGradient), 16 * half))),
      step: (query, keys, d) => {
        at.set(i32.add(sums, i32.shl(d, 4)));
        f.if(
          isDistance,
          () => {
            for (const [half, slope] of slopes.entries()) {
              x.set(f32x4.sub(query, v128.load(keys, 16 * half)));
              slope.set(ofOpen(half, f32x4.mul(gradients[half], f32x4.mul(two, x))));
              f.store(i32.add(keys, toKeys), f32x4.sub(v128.load(i32.add(keys, toKeys), 16 * half), slope), 16 * half);
            }
          },
          () => {
            const weight = f.let(v128.load32Splat(i32.add(vector, i32.shl(d, 2))));
            const sum = f.let(v128.load(i32.add(ofVector, i32.shl(d, 4))));
            for (const [half, slope] of slopes.entries()) {
              x.set(f32x4.add(query, v128.load(keys, 16 * half)));
              activate(x, activated);
              sum.set(f32x4.add(sum, ofOpen(half, f32x4.mul(gradients[half], activated))));
              f.if(
                i32.eq(kind, ACTIVATIONS.tanh),
                () => slope.set(f32x4.sub(one, f32x4.mul(activated, activated))),
                () =>
                  f.if(
                    i32.eq(kind, ACTIVATIONS.sigmoid),
                    () => slope.set(f32x4.mul(activated, f32x4.sub(one, activated))),
                    () => slope.set(v128.bitselect(negative, one, f32x4.lt(x, zero))),
                  ),
              );
              slope.set(ofOpen(half, f32x4.mul(slope, f32x4.mul(gradients[half], weight))));
              f.store(i32.add(keys, toKeys), f32x4.add(v128.load(i32.add(keys, toKeys), 16 * half), slope), 16 * half);
            }
            f.store(i32.add(ofVector, i32.shl(d, 4)), sum);
          },
        );
        f.store(at, f32x4.add(v128.load(at), f32x4.add(slopes[0], slopes[1])));
      },
      end: () => {},
    });
    f.if(wanted, () => flush(sums, to));
    f.if(job.int("vectorGradient"), () => {
      const target = f.let(job.address("vectorGradient", [w.int("chunk"), "vectorGradientChunk"], [w.int("h"), "vectorHead"]));
      flush(ofVector, target);
    });
  });
}

/** Writes rows of D numbers from their packed form. */
export function defineUnpack(m: ModuleBuilder) {
  const panel = tileColumns(m.build);
  return m.internal(
    "unpack",
    { params: { panels: "i32", rows: "i32", width: "i32", to: "i32", toRow: "i32" } },
    (f, { panels, rows, width, to, toRow }) => {
      const [from, out] = f.locals("i32", 2);
      f.forRange(0, rows, 1, (row) => {
        from.set(i32.add(panels, i32.shl(i32.add(i32.mul(i32.and(row, -panel), width), i32.and(row, panel - 1)), 2)));
        out.set(to);
        f.forRange(0, width, 1, () => {
          f.store(out, f32.load(from));
          f.increment(from, 4 * panel);
          f.increment(out, 4);
        });
        f.increment(to, toRow);
      });
    },
  );
}
