import { noGrad, scope, type RandomKey } from "@heed/tensor";
import { refuseAsync } from "@heed/tensor/operation";

interface Training {
  readonly key: RandomKey;
  /** How often the Dropout at each path was called so far. */
  readonly calls: Map<string, number>;
}

let current: Training | undefined;

/**
 * Runs `fn` in training mode: dropout drops, batch norm takes the batch's statistics. The n-th call of a Dropout derives
 * its key as `stepKey.split(its path).split(n)`, n = 0, 1 …, and n restarts with each `training`, so a resumed run is exact to the bit.
 * Outside, modules evaluate.
 * @throws {ScopeError} when `fn` returns a promise: what it does later would run outside.
 *
 * Time O(1) besides `fn`.
 * @see PyTorch's `torch.nn.Module.train`
 * @example const loss = training(key.split(step), () => crossEntropy(model.forward(x), target));
 */
export function training<T>(stepKey: RandomKey, fn: () => T): T {
  return withMode("training", { key: stepKey, calls: new Map() }, fn);
}

/**
 * Runs `fn` in evaluation mode, also inside `training`. Time O(1) besides `fn`.
 * @throws {ScopeError} when `fn` returns a promise, as `training`.
 * @see PyTorch's `torch.nn.Module.eval`
 */
export function evaluating<T>(fn: () => T): T {
  return withMode("evaluating", undefined, fn);
}

/**
 * Whether `training` is open; false inside `evaluating`, and where nothing is open. Time O(1).
 * @see PyTorch's `torch.nn.Module.training`
 */
export function isTraining(): boolean {
  return current !== undefined;
}

/**
 * For modules of one's own that draw random numbers in training: the key of this call of the module at `path` (`this.path`), and none (`undefined`)
 * outside training. Time O(length of path).
 * @see Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3", for keys that split
 */
export function dropoutKey(path: string): RandomKey | undefined {
  if (current === undefined) return undefined;
  const n = current.calls.get(path) ?? 0;
  current.calls.set(path, n + 1);
  return current.key.split(path).split(n);
}

/**
 * The result of a model's `forward` in evaluation mode, without recording, in a scope of its own. Time O(forward).
 * @throws {ScopeError} when `forward` returns a promise.
 * @see PyTorch's `torch.inference_mode`
 */
export function predict<Inputs extends readonly unknown[], T>(model: { forward(...inputs: Inputs): T }, ...inputs: Inputs): T {
  return evaluating(() => noGrad(() => scope(() => model.forward(...inputs))));
}

function withMode<T>(where: string, mode: Training | undefined, fn: () => T): T {
  const outer = current;
  current = mode;
  try {
    const result = fn();
    refuseAsync(where, result);
    return result;
  } finally {
    current = outer;
  }
}
