// Fits y = x wᵀ + b by gradient descent. Each step runs in a scope, so nothing piles up, and nothing has to be freed.
import {
  add,
  full,
  linear,
  mean,
  memory,
  mul,
  normal,
  randomKey,
  scope,
  square,
  sub,
  tensor,
  valueAndGrad,
  zeros,
  type Tensor,
} from "@heed/tensor";

const key = randomKey(7);
const x = normal(key.split("x"), [64, 3]);
const truth = tensor([[2, -1, 0.5]]);
const y = add(add(linear(x, truth), 3), mul(normal(key.split("noise"), [64, 1]), 0.01));

interface Line {
  readonly [name: string]: Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor;
}
const lossAndGradient = valueAndGrad(({ weight, bias }: Line) => mean(square(sub(linear(x, weight, bias), y))));

let line: Line = { weight: zeros([1, 3]), bias: full([1], 0) };
for (let step = 0; step < 200; step++) {
  line = scope(() => {
    const { value, gradient } = lossAndGradient(line);
    if (step % 50 === 0) console.log(`step ${step}: loss ${value.item().toFixed(6)}`);
    return { weight: sub(line.weight, mul(gradient.weight, 0.1)), bias: sub(line.bias, mul(gradient.bias, 0.1)) };
  });
}
console.log(line.weight.toString(), line.bias.toString());
console.log(`${memory().liveBytes} bytes live`);
