// Nadaraya–Watson regression (d2l.ai §11.2) is attention with a Gaussian score: keys are places where something was measured, values are what was measured,
// a query is a place where one wants to know. Three ways to weigh 50 noisy measurements of f(x) = 2 sin x + x^0.8: all alike, by a Gaussian of bandwidth 1,
// and by one that learns its bandwidth. Give a folder to get the plot of the first seed.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { attention } from "@heed/attention";
import { not, window } from "@heed/masks";
import { Adam, meanSquaredError, Parameter } from "@heed/nn";
import { gaussian, scaledDot } from "@heed/scoring";
import { configure, noGrad, normal, randomKey, tensor, uniform, type Tensor } from "@heed/tensor";

configure({ precision: "deterministic" }); // the same digits on every engine
const n = 50;
const f = (x: number) => 2 * Math.sin(x) + x ** 0.8;
const column = (values: readonly number[]) => tensor(values.map((value) => [value]));
const flat = (x: Tensor) => Array.from(x.toTypedArray());

/** Held-out places, where the truth is known, from 0 to 5. */
const places = Array.from({ length: 200 }, (_, i) => (5 * (i + 0.5)) / 200);
const truth = places.map(f);

function study(seed: number) {
  const key = randomKey(seed);
  const x = uniform(key.split("x"), [n, 1], { low: 0, high: 5 });
  const noise = flat(normal(key.split("noise"), [n], { deviation: 0.5 }));
  const y = column(flat(x).map((at, i) => f(at) + noise[i]!));

  const sigma = new Parameter(tensor([1]));
  const optimiser = new Adam([sigma], { lr: 0.05 });
  // Each measurement is to be told by the others: without the mask, a bandwidth of 0 would repeat it.
  const others = not(window(0, 0));
  for (let step = 0; step < 150; step++) {
    meanSquaredError(attention(x, x, y, { score: gaussian({ sigma }), mask: others }), y).backward();
    optimiser.step();
    optimiser.zeroGrad();
  }

  const query = column(places);
  const fits = noGrad(() => ({
    mean: flat(attention(query, x, y, { score: scaledDot({ scale: 0 }) })), // all weights alike
    fixed: flat(attention(query, x, y, { score: gaussian({ sigma: 1 }) })),
    learned: flat(attention(query, x, y, { score: gaussian({ sigma }) })),
  }));
  return { x: flat(x), y: flat(y), sigma: Math.abs(sigma.toTypedArray()[0]!), fits };
}

const error = (fit: readonly number[]) => fit.reduce((total, value, i) => total + (value - truth[i]!) ** 2, 0) / fit.length;

const studies = [1, 2, 3].map(study);
console.log("mean squared error on 200 held-out places\nseed   mean pooling   bandwidth 1   learned bandwidth");
studies.forEach(({ sigma, fits: { mean, fixed, learned } }, i) => {
  const [plain, given, best] = [mean, fixed, learned].map(error) as [number, number, number];
  console.log(`${i + 1}      ${plain.toFixed(3)}          ${given.toFixed(3)}         ${best.toFixed(3)} (${sigma.toFixed(2)})`);
  if (!(best < given && given < plain)) throw new Error(`seed ${i + 1}: learned < fixed < mean does not hold`);
});

const folder = process.argv[2];
if (folder !== undefined) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "nadaraya-watson.svg"), plot(studies[0]!));
}

/** Measurements, the truth, and what the three ways make of them. */
function plot({ x, y, sigma, fits }: ReturnType<typeof study>): string {
  const [width, height, left, bottom] = [560, 330, 40, 30];
  const [low, high] = [-0.5, 5.8];
  const across = (at: number) => (left + (at / 5) * (width - left - 10)).toFixed(1);
  const up = (value: number) => (10 + ((high - value) / (high - low)) * (height - bottom - 10)).toFixed(1);
  const line = (values: readonly number[], colour: string, dashes = "") =>
    `<path d="M${values.map((value, i) => `${across(places[i]!)} ${up(value)}`).join("L")}" fill="none" stroke="${colour}" stroke-width="2"${dashes}/>`;
  const ticks = [0, 1, 2, 3, 4, 5].map((at) => `<text x="${across(at)}" y="${height - 10}" text-anchor="middle">${at}</text>`);
  const levels = [0, 2, 4].map(
    (at) =>
      `<text x="${left - 8}" y="${up(at)}" dy="4" text-anchor="end">${at}</text><path d="M${left} ${up(at)}H${width - 10}" stroke="#d5dbe1"/>`,
  );
  const curves = [
    ["2 sin x + x^0.8", "#6b7785", truth, ` stroke-dasharray="5 4"`],
    ["mean pooling", "#b8860b", fits.mean, ""],
    ["bandwidth 1", "#7aa6d1", fits.fixed, ""],
    [`learned bandwidth, ${sigma.toFixed(2)}`, "#c8501e", fits.learned, ""],
  ] as const;
  const legend = curves.map(([name, colour, , dashes], i) => {
    const [at, down] = [left + 20 + 240 * (i % 2), 20 + 18 * Math.floor(i / 2)];
    return `<path d="M${at} ${down}h24" stroke="${colour}" stroke-width="2"${dashes}/><text x="${at + 32}" y="${down + 4}">${name}</text>`;
  });
  const points = x.map((at, i) => `<circle cx="${across(at)}" cy="${up(y[i]!)}" r="3" fill="#00366c" fill-opacity="0.55"/>`);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" ` +
    `font-family="sans-serif" font-size="12" fill="#1f2933"><title>Nadaraya–Watson regression as attention</title>` +
    `<path d="M0 0h${width}v${height}h${-width}z" fill="#fff"/>${ticks.join("")}${levels.join("")}${points.join("")}` +
    `${curves.map(([, colour, values, dashes]) => line(values, colour, dashes)).join("")}${legend.join("")}</svg>\n`
  );
}
