import type { Views } from "../memory/views.ts";
import type { SoftmaxKernels } from "./softmax.ts";

/** Softmax and its kin in plain loops, computed in doubles: the definition. */
export function reference(views: Views): SoftmaxKernels {
  const { shift } = views;
  /** The maximum of a row (0 where it is −∞, so that differences stay −∞), and the sum of exponentials of what lies below. */
  const measure = (at: number, n: number) => {
    const x = views.real();
    let most = -Infinity;
    for (let i = 0; i < n; i++) if (x[at + i] > most) most = x[at + i];
    if (most === -Infinity) most = 0;
    let sum = 0;
    for (let i = 0; i < n; i++) sum += Math.exp(x[at + i] - most);
    return { most, sum };
  };
  return {
    softmax(x, out, rows, n) {
      const real = views.real();
      for (let row = 0; row < rows; row++) {
        const [from, to] = [(x >>> shift) + row * n, (out >>> shift) + row * n];
        const { most, sum } = measure(from, n);
        for (let i = 0; i < n; i++) real[to + i] = sum === 0 ? 0 : Math.exp(real[from + i] - most) / sum;
      }
    },
    softmaxGrad(y, g, out, rows, n) {
      const real = views.real();
      for (let row = 0; row < rows; row++) {
        const [yAt, gAt, to] = [y, g, out].map((pointer) => (pointer >>> shift) + row * n);
        let dot = 0;
        for (let i = 0; i < n; i++) dot += real[yAt + i] * real[gAt + i];
        for (let i = 0; i < n; i++) real[to + i] = real[yAt + i] * (real[gAt + i] - dot);
      }
    },
    logSoftmax(x, out, rows, n) {
      const real = views.real();
      for (let row = 0; row < rows; row++) {
        const [from, to] = [(x >>> shift) + row * n, (out >>> shift) + row * n];
        const { most, sum } = measure(from, n);
        const log = sum === 0 ? 0 : Math.log(sum);
        for (let i = 0; i < n; i++) real[to + i] = real[from + i] - most - log;
      }
    },
    logSoftmaxGrad(y, g, out, rows, n) {
      const real = views.real();
      for (let row = 0; row < rows; row++) {
        const [yAt, gAt, to] = [y, g, out].map((pointer) => (pointer >>> shift) + row * n);
        let total = 0;
        for (let i = 0; i < n; i++) total += real[gAt + i];
        for (let i = 0; i < n; i++) real[to + i] = real[gAt + i] - Math.exp(real[yAt + i]) * total;
      }
    },
    logSumExp(x, out, rows, n) {
      for (let row = 0; row < rows; row++) {
        const { most, sum } = measure((x >>> shift) + row * n, n);
        views.real()[(out >>> shift) + row] = most + Math.log(sum);
      }
    },
    crossEntropy(logits, target, loss, rows, n, labelSmoothing, ignoreIndex) {
      const real = views.real();
      const targets = views.i32();
      for (let row = 0; row < rows; row++) {
        const from = (logits >>> shift) + row * n;
        const label = targets[(target >>> 2) + row];
        let value = 0;
        if (label !== ignoreIndex) {
          const { most, sum } = measure(from, n);
          value = Math.log(sum) - (1 - labelSmoothing) * (real[from + label] - most);
          if (labelSmoothing !== 0) {
            let total = 0;
            for (let i = 0; i < n; i++) total += real[from + i] - most;
            value -= (labelSmoothing / n) * total;
          }
          if (sum === 0) value = Infinity; // every class has probability 0
        }
        real[(loss >>> shift) + row] = value;
      }
    },
    crossEntropyGrad(logits, target, g, out, rows, n, labelSmoothing, ignoreIndex) {
      const real = views.real();
      const targets = views.i32();
      for (let row = 0; row < rows; row++) {
        const [from, to] = [(logits >>> shift) + row * n, (out >>> shift) + row * n];
        const label = targets[(target >>> 2) + row];
        const { most, sum } = measure(from, n);
        if (label === ignoreIndex || sum === 0) {
          real.fill(0, to, to + n);
          continue;
        }
        const factor = real[(g >>> shift) + row];
        for (let i = 0; i < n; i++) {
          const wanted = labelSmoothing / n + (i === label ? 1 - labelSmoothing : 0);
          real[to + i] = factor * (Math.exp(real[from + i] - most) / sum - wanted);
        }
      }
    },
  };
}
