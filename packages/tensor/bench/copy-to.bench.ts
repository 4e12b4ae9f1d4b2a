// node --conditions=@heed/source packages/tensor/bench/copy-to.bench.ts
// An operation and the reading of its result, into a new array each time and into one that is there, in turns.
import { configure, copyTo, gelu, matmul, noGrad, normal, randomKey, resident, scope, softmax, type Tensor } from "@heed/tensor";

configure({ threads: 1 });
const key = randomKey(1);
const operand = (...shape: readonly number[]): Tensor => {
  const x = normal(key, shape);
  resident([x]);
  return x;
};
const squares = [64, 128, 256, 512].map((n) => operand(n, n));
const rows = operand(197, 768);
const works: readonly (readonly [string, () => Tensor])[] = [
  ...squares.map((x) => [`matmul ${x.shape.join(" × ")}`, () => matmul(x, x)] as const),
  ["gelu 197 × 768", () => gelu(rows)],
  ["softmax 197 × 768", () => softmax(rows)],
];

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

console.log(`Node ${process.version}, one thread; medians of 40 samples in turns, and of the ratios of neighbours`);
for (const [name, work] of works) {
  let target: Float32Array | undefined;
  const anew = () => noGrad(() => scope(() => work().toTypedArray()));
  const again = () =>
    noGrad(() =>
      scope(() => {
        const result = work();
        return copyTo(result, (target ??= new Float32Array(result.size)));
      }),
    );
  const sample = (call: () => unknown, calls: number): number => {
    const start = performance.now();
    for (let i = 0; i < calls; i++) call();
    return (performance.now() - start) / calls;
  };
  for (const end = performance.now() + 500; performance.now() < end;) for (const call of [anew, again]) call();
  const calls = Math.ceil(30 / sample(again, 20));
  const pairs = Array.from({ length: 40 }, (_, i) => {
    const first = sample(i % 2 === 0 ? anew : again, calls);
    const second = sample(i % 2 === 0 ? again : anew, calls);
    return i % 2 === 0 ? [first, second] : [second, first];
  });
  const [a, b, ratio] = [
    median(pairs.map(([one]) => one)),
    median(pairs.map(([, other]) => other)),
    median(pairs.map(([one, other]) => other / one)),
  ];
  console.log(
    `${name.padEnd(18)} new ${(1000 * a).toFixed(0).padStart(5)} µs, copyTo ${(1000 * b).toFixed(0).padStart(5)} µs, ratio ${ratio.toFixed(2)}`,
  );
}
