import { f32, f32x4, f64, i32, ModuleBuilder, v128 } from "../assembler/index.ts";
import type { Build, Expression, FunctionBuilder, Local, V128 } from "../assembler/index.ts";
import { mapRow, sumRow, type Update } from "../building-blocks/row.ts";

// Every kernel goes over one row at a time in a few passes; a row of some thousand elements stays in L1 between them.

/** The WebAssembly of the normalisations. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  defineRowNorm(m, "layerNorm");
  defineRowNorm(m, "rmsNorm");
  defineChannelMoments(m);
  defineChannelAffine(m);
  defineBatchNormGrad(m);
  return m.toBytes();
}

type Int = Local<"i32">;
type Vector = Local<"v128">;

/** Layer norm and its gradient, or root-mean-square norm, which is the same with a mean of 0 and no bias. */
function defineRowNorm(m: ModuleBuilder, name: "layerNorm" | "rmsNorm"): void {
  const centred = name === "layerNorm";

  const forward = m.internal(
    `${name}Rows`,
    { params: { x: "i32", weight: "i32", bias: "i32", out: "i32", mean: "i32", rstd: "i32", rows: "i32", n: "i32", eps: "f32" } },
    (f, { x, weight, bias, out, mean, rstd, rows, n, eps }) => {
      const bytes = f.let(i32.shl(n, 2));
      const count = f.let(f32.convertI32S(n));
      const centre = f.local("f32");
      const factor = f.local("f32");
      const centres = f.local("v128");
      const factors = f.local("v128");
      f.forRange(0, rows, 1, () => {
        if (centred) {
          const [sum] = sumRow(f, n, [x], 1, ([value], [total]) => [f32x4.add(total, value)]);
          centre.set(f32.div(sum, count));
          centres.set(f32x4.splat(centre));
          const { correction, variance } = momentsAround(f, centres, count, (sums) => sumRow(f, n, [x], 2, sums));
          centre.set(f32.add(centre, correction));
          factor.set(variance);
        } else {
          const [squares] = sumRow(f, n, [x], 1, ([value], [total]) => [f.madd(value, value, total)]);
          factor.set(f32.div(squares, count));
        }
        factor.set(f32.div(1, f32.sqrt(f32.add(factor, eps))));
        centres.set(f32x4.splat(centre));
        factors.set(f32x4.splat(factor));
        const normal = (value: V128) => f32x4.mul(centred ? f32x4.sub(value, centres) : value, factors);
        const write = (operands: Int[], finish: (normalised: V128, values: Vector[]) => V128) =>
          mapTo(f, n, operands, out, ([value, ...values]) => finish(normal(value), values));
        const withBias = (yes: () => void, no: () => void) => (centred ? f.if(bias, yes, no) : no());
        f.if(
          weight,
          () =>
            withBias(
              () => write([x, weight, bias], (normalised, [scale, shift]) => f.madd(normalised, scale, shift)),
              () => write([x, weight], (normalised, [scale]) => f32x4.mul(normalised, scale)),
            ),
          () =>
            withBias(
              () => write([x, bias], (normalised, [shift]) => f32x4.add(normalised, shift)),
              () => write([x], (normalised) => normalised),
            ),
        );
        f.if(mean, () => {
          f.store(mean, centre);
          f.increment(mean, 4);
        });
        f.if(rstd, () => {
          f.store(rstd, factor);
          f.increment(rstd, 4);
        });
        f.increment(x, bytes);
        f.increment(out, bytes);
      });
    },
  );

  const backward = m.internal(
    `${name}GradRows`,
    {
      params: {
        x: "i32",
        weight: "i32",
        mean: "i32",
        rstd: "i32",
        g: "i32",
        more: "i32",
        dx: "i32",
        dweight: "i32",
        dbias: "i32",
        rows: "i32",
        n: "i32",
      },
    },
    (f, { x, weight, mean, rstd, g, more, dx, dweight, dbias, rows, n }) => {
      const bytes = f.let(i32.shl(n, 2));
      const count = f.let(f32.convertI32S(n));
      const centres = f.local("v128");
      const factors = f.local("v128");
      const sums = f.local("v128");
      const dots = f.local("v128");
      const weighted = f.local("v128");
      const normal = (value: V128) => f32x4.mul(centred ? f32x4.sub(value, centres) : value, factors);
      const [meanW, meanWx] = f.locals("f32", 2);
      f.if(dweight, () => f.memoryFill(dweight, 0, bytes));
      f.if(dbias, () => f.memoryFill(dbias, 0, bytes));
      f.forRange(0, rows, 1, () => {
        if (centred) centres.set(v128.load32Splat(mean));
        factors.set(v128.load32Splat(rstd));

        /** Sums and dx, with w = g · weight or w = g. */
        const inputGradient = (operands: Int[], weigh: (values: Vector[]) => V128): void => {
          const update = (values: Vector[], [total, dot]: Vector[]): V128[] => {
            weighted.set(weigh(values));
            const next = f.madd(weighted, normal(values[0]), dot);
            return centred ? [f32x4.add(total, weighted), next] : [total, next];
          };
          const [sum, dot] = sumRow(f, n, operands, 2, update);
          meanW.set(f32.div(sum, count));
          meanWx.set(f32.div(dot, count));
          sums.set(f32x4.splat(meanW));
          dots.set(f32x4.splat(meanWx));
          mapTo(f, n, operands, dx, (values) => {
            weighted.set(weigh(values));
            if (centred) weighted.set(f32x4.sub(weighted, sums));
            weighted.set(f.nmadd(normal(values[0]), dots, weighted));
            return f32x4.mul(weighted, factors);
          });
        };
        // The gradients of the parameters first: dx may be g.
        f.if(dweight, () => mapTo(f, n, [x, g, dweight], dweight, ([value, gradient, total]) => f.madd(normal(value), gradient, total)));
        f.if(dbias, () => mapTo(f, n, [g, dbias], dbias, ([gradient, total]) => f32x4.add(gradient, total)));
        f.if(dx, () => {
          f.if(
            weight,
            () => inputGradient([x, g, weight], ([, gradient, scale]) => f32x4.mul(gradient, scale)),
            () => inputGradient([x, g], ([, gradient]) => gradient),
          );
          f.if(more, () => {
            mapTo(f, n, [dx, more], dx, ([gradient, besides]) => f32x4.add(gradient, besides));
            f.increment(more, bytes);
          });
          f.increment(dx, bytes);
        });
        f.increment(x, bytes);
        f.increment(g, bytes);
        f.increment(mean, 4);
        f.increment(rstd, 4);
      });
    },
  );

  if (centred) {
    m.func(
      "layerNorm",
      { params: { x: "i32", weight: "i32", bias: "i32", out: "i32", mean: "i32", rstd: "i32", rows: "i32", n: "i32", eps: "f32" } },
      (f, args) => f.call(forward, args),
    );
    const { more: _, ...params } = backward.signature.params;
    const { x: __, ...rest } = forward.signature.params;
    m.func("layerNormGrad", { params }, (f, args) => f.call(backward, { ...args, more: 0 }));
    m.func("addLayerNormGrad", { params: backward.signature.params }, (f, args) => f.call(backward, args));
    m.func(
      "addLayerNorm",
      { params: { x: "i32", y: "i32", sum: "i32", ...rest } },
      (f, { x, y, sum, weight, bias, out, mean, rstd, rows, n, eps }) => {
        const bytes = f.let(i32.shl(n, 2));
        f.forRange(0, rows, 1, () => {
          mapTo(f, n, [x, y], sum, ([one, other]) => f32x4.add(one, other));
          f.call(forward, { x: sum, weight, bias, out, mean, rstd, rows: 1, n, eps });
          for (const pointer of [x, y, sum, out]) f.increment(pointer, bytes);
          for (const pointer of [mean, rstd]) f.if(pointer, () => f.increment(pointer, 4));
        });
      },
    );
  } else {
    m.func("rmsNorm", { params: { x: "i32", weight: "i32", out: "i32", rstd: "i32", rows: "i32", n: "i32", eps: "f32" } }, (f, args) =>
      f.call(forward, { ...args, bias: 0, mean: 0 }),
    );
    m.func(
      "rmsNormGrad",
      { params: { x: "i32", weight: "i32", rstd: "i32", g: "i32", dx: "i32", dweight: "i32", rows: "i32", n: "i32" } },
      (f, args) => f.call(backward, { ...args, mean: 0, more: 0, dbias: 0 }),
    );
  }
}

function defineChannelMoments(m: ModuleBuilder): void {
  m.func(
    "channelMoments",
    { params: { x: "i32", mean: "i32", variance: "i32", B: "i32", C: "i32", inner: "i32", stride: "i32" } },
    (f, { x, mean, variance, B, C, inner, stride }) => {
      const count = f.let(f32.convertI32S(i32.mul(B, inner)));
      const rowBytes = f.let(i32.shl(inner, 2));
      const imageBytes = f.let(i32.shl(stride, 2));
      const centre = f.local("f32");
      const centres = f.local("v128");
      f.forRange(0, C, 1, () => {
        const [sum] = sumRows(f, B, imageBytes, inner, [x], 1, ([value], [total]) => [f32x4.add(total, value)]);
        centre.set(f32.div(sum, count));
        centres.set(f32x4.splat(centre));
        const moments = momentsAround(f, centres, count, (update) => sumRows(f, B, imageBytes, inner, [x], 2, update));
        f.store(mean, f32.add(centre, moments.correction));
        f.store(variance, moments.variance);
        f.increment(x, rowBytes);
        f.increment(mean, 4);
        f.increment(variance, 4);
      });
    },
  );
}

function defineChannelAffine(m: ModuleBuilder): void {
  m.func(
    "channelAffine",
    { params: { x: "i32", scale: "i32", shift: "i32", out: "i32", B: "i32", C: "i32", inner: "i32", stride: "i32" } },
    (f, { x, scale, shift, out, B, C, inner, stride }) => {
      const rowBytes = f.let(i32.shl(inner, 2));
      const parameterBytes = f.let(i32.shl(C, 2));
      const gap = f.let(i32.sub(i32.shl(stride, 2), i32.mul(C, rowBytes)));
      const scales = f.local("v128");
      const shifts = f.local("v128");
      f.forRange(0, B, 1, () => {
        f.forRange(0, parameterBytes, 4, (at) => {
          scales.set(v128.load32Splat(i32.add(scale, at)));
          shifts.set(v128.load32Splat(i32.add(shift, at)));
          mapTo(f, inner, [x], out, ([value]) => f.madd(value, scales, shifts));
          f.increment(x, rowBytes);
          f.increment(out, rowBytes);
        });
        f.increment(x, gap);
        f.increment(out, gap);
      });
    },
  );
}

function defineBatchNormGrad(m: ModuleBuilder): void {
  m.func(
    "batchNormGrad",
    {
      params: {
        x: "i32",
        g: "i32",
        mean: "i32",
        rstd: "i32",
        weight: "i32",
        dx: "i32",
        dweight: "i32",
        dbias: "i32",
        B: "i32",
        C: "i32",
        inner: "i32",
        stride: "i32",
      },
    },
    (f, { x, g, mean, rstd, weight, dx, dweight, dbias, B, C, inner, stride }) => {
      const count = f.let(f32.convertI32S(i32.mul(B, inner)));
      const rowBytes = f.let(i32.shl(inner, 2));
      const imageBytes = f.let(i32.shl(stride, 2));
      const scale = f.local("f32");
      const [centres, factors, scales, sums, dots] = f.locals("v128", 5);
      const [px, pg, pdx] = f.locals("i32", 3);
      const normal = (value: V128) => f32x4.mul(f32x4.sub(value, centres), factors);
      f.forRange(0, C, 1, () => {
        centres.set(v128.load32Splat(mean));
        factors.set(v128.load32Splat(rstd));
        const [sum, dot] = sumRows(f, B, imageBytes, inner, [x, g], 2, ([value, gradient], [total, product]) => [
          f32x4.add(total, gradient),
          f.madd(gradient, normal(value), product),
        ]);
        f.store(dbias, sum);
        f.store(dweight, dot);
        f.if(dx, () => {
          scale.set(f32.load(rstd));
          f.if(weight, () => {
            scale.set(f32.mul(scale, f32.load(weight)));
            f.increment(weight, 4);
          });
          scales.set(f32x4.splat(scale));
          sums.set(f32x4.splat(f32.div(sum, count)));
          dots.set(f32x4.splat(f32.div(dot, count)));
          px.set(x);
          pg.set(g);
          pdx.set(dx);
          f.forRange(0, B, 1, () => {
            mapTo(f, inner, [px, pg], pdx, ([value, gradient]) =>
              f32x4.mul(f.nmadd(normal(value), dots, f32x4.sub(gradient, sums)), scales),
            );
            for (const pointer of [px, pg, pdx]) f.increment(pointer, imageBytes);
          });
          f.increment(dx, rowBytes);
        });
        f.increment(x, rowBytes);
        f.increment(g, rowBytes);
        for (const pointer of [mean, rstd, dweight, dbias]) f.increment(pointer, 4);
      });
    },
  );
}

/**
 * Variance, and how far the mean lies from `centres`, a first estimate of it. Differences to a close estimate are exact
 * or nearly so; their mean corrects the estimate and the sum of their squares.
 */
function momentsAround(
  f: FunctionBuilder,
  centres: Vector,
  count: Local<"f32">,
  sum: (update: Update) => Local<"f32">[],
): { correction: Local<"f32">; variance: Expression<"f32"> } {
  const difference = f.local("v128");
  const [differences, squares] = sum(([value], [total, square]) => {
    difference.set(f32x4.sub(value, centres));
    return [f32x4.add(total, difference), f.madd(difference, difference, square)];
  });
  const correction = f.let(f32.div(differences, count));
  // Rounding alone can bring it below zero, when all values are equal.
  return { correction, variance: f32.max(f32.sub(f32.div(squares, count), f32.mul(correction, correction)), 0) };
}

/** Sums over B rows that lie `stride` bytes apart, each as `sumRow`; the rows are added up in float64, in order. */
function sumRows(f: FunctionBuilder, B: Int, stride: Int, n: Int, starts: Int[], count: number, update: Update): Local<"f32">[] {
  const rows = starts.map((start) => f.let(start));
  const totals = f.locals("f64", count);
  for (const total of totals) total.set(0);
  f.forRange(0, B, 1, () => {
    sumRow(f, n, rows, count, update).forEach((sum, i) => totals[i].set(f64.add(totals[i], f64.promoteF32(sum))));
    for (const row of rows) f.increment(row, stride);
  });
  return totals.map((total) => f.let(f32.demoteF64(total)));
}

/** `out[i] = result(inputs[i] …)` for a row of n elements; `out` may be one of the inputs. */
function mapTo(f: FunctionBuilder, n: Int, inputs: Int[], out: Int, result: (values: Vector[]) => V128): void {
  mapRow(f, n, inputs, [out], (values) => [result(values)]);
}
