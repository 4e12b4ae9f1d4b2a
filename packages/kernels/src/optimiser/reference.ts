import type { Views } from "../memory/views.ts";
import type { OptimiserKernels } from "./optimiser.ts";

/** Optimisers in plain loops: the definition. */
export function reference(views: Views): OptimiserKernels {
  const at = (pointer: number) => pointer >>> views.shift;
  return {
    sgd(p, g, buffer, n, lr, momentum, dampening, nesterov, weightDecay, firstStep) {
      const reals = views.real();
      for (let i = 0; i < n; i++) {
        const gradient = reals[at(g) + i] + weightDecay * reals[at(p) + i];
        let step = gradient;
        if (buffer) {
          const kept = firstStep ? gradient : momentum * reals[at(buffer) + i] + (1 - dampening) * gradient;
          reals[at(buffer) + i] = kept;
          step = nesterov ? gradient + momentum * kept : kept;
        }
        reals[at(p) + i] -= lr * step;
      }
    },
    adam(p, g, m, v, vmax, n, lr, beta1, beta2, eps, weightDecay, decoupled, biasCorrection1, biasCorrection2) {
      const reals = views.real();
      for (let i = 0; i < n; i++) {
        let parameter = reals[at(p) + i];
        let gradient = reals[at(g) + i];
        if (decoupled) parameter *= 1 - lr * weightDecay;
        else gradient += weightDecay * parameter;
        const first = beta1 * reals[at(m) + i] + (1 - beta1) * gradient;
        let second = beta2 * reals[at(v) + i] + (1 - beta2) * gradient * gradient;
        reals[at(m) + i] = first;
        reals[at(v) + i] = second;
        if (vmax) {
          second = Math.max(second, reals[at(vmax) + i]);
          reals[at(vmax) + i] = second;
        }
        reals[at(p) + i] = parameter - (lr * (first / biasCorrection1)) / (Math.sqrt(second / biasCorrection2) + eps);
      }
    },
  };
}
