import { randomKey, tensor, type Tensor } from "@heed/tensor";
import { eachBackend, expectGolden, loadGolden } from "@heed/tensor/testing";
import { evaluating, functionalCall, training } from "@heed/nn";
import { describe, expect, it } from "vitest";
import { BasicBlock, Conv2d } from "./index.ts";

const key = randomKey(0);
type Pair = readonly [number, number];
const cases = (op: string) => loadGolden("vision-patches", { op });

describe.each(eachBackend())("golden cases of cnn-baseline, $name", ({ use }) => {
  it.each(cases("conv2d"))("agrees with $source on $name", (stored) =>
    use(() => {
      const { stride, padding, dilation, groups, bias } = stored.options as {
        stride: Pair;
        padding: Pair;
        dilation: Pair;
        groups: number;
        bias: boolean;
      };
      const [O, C, kh, kw] = stored.params.weight.shape;
      const module = new Conv2d(C * groups, O, { key, kernelSize: [kh, kw], stride, padding, dilation, groups, bias });
      expect(Object.keys(module.stateDict()).sort()).toEqual(Object.keys(stored.params).sort());
      for (const dtype of ["float32", "float64"] as const) {
        expectGolden(stored, ({ inputs: { x }, params }) => ({ y: functionalCall(module, params, () => module.forward(x)) }), dtype);
      }
    }),
  );

  it.each(cases("resnet_block"))("agrees with $source on $name, with the names of torchvision's parameters", (stored) =>
    use(() => {
      const options = stored.options as { stride: number; training: boolean };
      const [O, C] = stored.params["conv1.weight"].shape;
      const block = new BasicBlock(C, O, { key, stride: options.stride });
      const running = Object.keys(stored.inputs).filter((name) => name !== "x");
      expect(Object.keys(block.stateDict()).sort()).toEqual([...Object.keys(stored.params), ...running].sort());
      for (const dtype of ["float32", "float64"] as const) {
        expectGolden(
          stored,
          ({ inputs, params }) => {
            // Training writes them in place, and the case runs twice.
            const buffers: Record<string, Tensor> = Object.fromEntries(
              running.map((name) => [name, tensor(inputs[name].toTypedArray(), { shape: inputs[name].shape })]),
            );
            const forward = () => functionalCall(block, { ...params, ...buffers }, () => block.forward(inputs.x));
            return { y: options.training ? training(key, forward) : evaluating(forward), ...buffers };
          },
          dtype,
        );
      }
    }),
  );
});
