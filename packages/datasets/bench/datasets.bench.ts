// What the readers and makers cost. Processor time, so that a busy machine does not look like a slow one:
//   node --conditions=@heed/source packages/datasets/bench/datasets.bench.ts [folder of pictures]
import { cpus } from "node:os";
import { batches, patchworks, pixelStatistics, type Augmentation } from "@heed/datasets";
import { listImageFolder, loadImageFolder } from "@heed/datasets/images";
import { randomKey } from "@heed/tensor";

const key = randomKey(1);
const results: Record<string, string>[] = [];

async function time(what: string, count: number, unit: string, work: () => unknown): Promise<void> {
  const [before, start] = [process.cpuUsage(), performance.now()];
  await work();
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  results.push({
    what,
    seconds: seconds.toFixed(2),
    wall: ((performance.now() - start) / 1e3).toFixed(2),
    each: `${((1e6 * seconds) / count).toPrecision(3)} µs a ${unit}`,
  });
}

patchworks(key, { count: 200 });
await time("patchworks, 5,000 of 64 × 64", 5000, "picture", () => patchworks(key, { count: 5000 }));
const set = patchworks(key, { count: 4000 });
const statistics = pixelStatistics(set);
const changes: [string, Augmentation | undefined][] = [
  ["as they are", undefined],
  ["shifted and mirrored", { shift: 4, horizontalFlip: true }],
  ["recoloured too", { shift: 4, horizontalFlip: true, brightness: 0.2, contrast: 0.2 }],
];
for (const [name, augment] of changes) {
  await time(`batches of 64, 4,000 pictures, ${name}`, set.count, "picture", () => {
    let sum = 0;
    for (const { images } of batches(set, { batchSize: 64, key, statistics, augment })) sum += images[0];
    return sum;
  });
}
const folder = process.argv[2];
if (folder !== undefined) {
  const { train, test } = await listImageFolder(folder);
  const count = train.length + test.length;
  await time(`load ${count} pictures at 128 × 128`, count, "picture", () => loadImageFolder(folder, { size: 128 }));
}
console.log(`${cpus()[0].model}, Node ${process.versions.node}`);
console.table(results);
