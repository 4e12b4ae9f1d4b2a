import { DTypeError, ShapeError, type Tensor } from "@heed/tensor/light";
import type { TermContext } from "@heed/tensor/terms";
import { fitsPairs, type Call } from "./call.ts";

export function checkedMask({ where: name, context }: Call, mask: Tensor, of: string): Tensor {
  if (mask.dtype !== "bool") throw new DTypeError(name, `the mask "${of}" must be boolean, true = may attend`, { dtype: mask.dtype });
  return requireFit(name, `the mask "${of}"`, mask, context);
}

export function requireFit(name: string, what: string, x: Tensor, { B, H, L, S }: TermContext): Tensor {
  if (fitsPairs(x, [B, H, L, S])) return x;
  throw new ShapeError(name, `${what} must broadcast to [B, H, L, S]`, { got: x.shape, "[B, H, L, S]": [B, H, L, S] });
}
