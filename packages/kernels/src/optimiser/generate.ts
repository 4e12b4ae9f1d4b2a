import { f32, f32x4, f64, ModuleBuilder } from "../assembler/index.ts";
import type { Build, F64, FunctionBuilder, Local } from "../assembler/index.ts";
import { mapRow } from "../building-blocks/row.ts";

// Scalars arrive as float64: 1 − 0.999 in float32 has only three digits that are right.

/** The WebAssembly of the optimisers. */
export function wasm(build: Build): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder(build);
  defineSgd(m);
  defineAdam(m);
  return m.toBytes();
}

function defineSgd(m: ModuleBuilder): void {
  m.func(
    "sgd",
    {
      params: {
        p: "i32",
        g: "i32",
        buffer: "i32",
        n: "i32",
        lr: "f64",
        momentum: "f64",
        dampening: "f64",
        nesterov: "i32",
        weightDecay: "f64",
        firstStep: "i32",
      },
    },
    (f, { p, g, buffer, n, lr, momentum, dampening, nesterov, weightDecay, firstStep }) => {
      const rate = splat(f, lr);
      const decay = splat(f, weightDecay);
      const keep = splat(f, momentum);
      const take = splat(f, f64.sub(1, dampening));
      const [gradient, kept] = f.locals("v128", 2);
      const update = (isFirst: boolean, isNesterov: boolean) =>
        mapRow(f, n, isFirst ? [p, g] : [p, g, buffer], [p, buffer], ([parameter, given, before]) => {
          gradient.set(f.madd(decay, parameter, given));
          kept.set(isFirst ? gradient : f.madd(keep, before, f32x4.mul(take, gradient)));
          const step = isNesterov ? f.madd(keep, kept, gradient) : kept;
          return [f.nmadd(rate, step, parameter), kept];
        });
      const either = (condition: Local<"i32">, run: (flag: boolean) => void) =>
        f.if(
          condition,
          () => run(true),
          () => run(false),
        );
      f.if(
        buffer,
        () => either(firstStep, (isFirst) => either(nesterov, (isNesterov) => update(isFirst, isNesterov))),
        () => mapRow(f, n, [p, g], [p], ([parameter, given]) => [f.nmadd(rate, f.madd(decay, parameter, given), parameter)]),
      );
    },
  );
}

function defineAdam(m: ModuleBuilder): void {
  m.func(
    "adam",
    {
      params: {
        p: "i32",
        g: "i32",
        m: "i32",
        v: "i32",
        vmax: "i32",
        n: "i32",
        lr: "f64",
        beta1: "f64",
        beta2: "f64",
        eps: "f64",
        weightDecay: "f64",
        decoupled: "i32",
        biasCorrection1: "f64",
        biasCorrection2: "f64",
      },
    },
    (f, { p, g, m: first, v: second, vmax, n, lr, beta1, beta2, eps, weightDecay, decoupled, biasCorrection1, biasCorrection2 }) => {
      // Decoupled decay shrinks the parameter; the other kind adds to the gradient. One of the two is always neutral.
      const shrinking = f.local("f64");
      shrinking.set(1);
      f.if(decoupled, () => {
        shrinking.set(f64.sub(1, f64.mul(lr, weightDecay)));
        weightDecay.set(0);
      });
      const shrink = splat(f, shrinking);
      const decay = splat(f, weightDecay);
      const [keepFirst, keepSecond] = [splat(f, beta1), splat(f, beta2)];
      const [takeFirst, takeSecond] = [splat(f, f64.sub(1, beta1)), splat(f, f64.sub(1, beta2))];
      const rate = splat(f, f64.div(lr, biasCorrection1));
      const correction = splat(f, f64.div(1, biasCorrection2));
      const epsilon = splat(f, eps);
      const [gradient, mean, square, most] = f.locals("v128", 4);
      const update = (amsgrad: boolean) =>
        mapRow(
          f,
          n,
          amsgrad ? [p, g, first, second, vmax] : [p, g, first, second],
          amsgrad ? [p, first, second, vmax] : [p, first, second],
          (values) => {
            const [parameter, given, before, squareBefore, mostBefore] = values;
            gradient.set(f.madd(decay, parameter, given));
            mean.set(f.madd(keepFirst, before, f32x4.mul(takeFirst, gradient)));
            square.set(f.madd(keepSecond, squareBefore, f32x4.mul(takeSecond, f32x4.mul(gradient, gradient))));
            most.set(amsgrad ? f32x4.max(square, mostBefore) : square); // max keeps a NaN of either
            const root = f32x4.sqrt(f32x4.mul(most, correction));
            const step = f32x4.div(f32x4.mul(rate, mean), f32x4.add(root, epsilon));
            return [f32x4.sub(f32x4.mul(parameter, shrink), step), mean, square, most];
          },
        );
      f.if(
        vmax,
        () => update(true),
        () => update(false),
      );
    },
  );
}

/** The float32 nearest to a float64, in all lanes. */
function splat(f: FunctionBuilder, value: F64): Local<"v128"> {
  return f.let(f32x4.splat(f32.demoteF64(value)));
}
