// Makes a set of pictures from a key, splits it into batches, and draws one picture in the terminal. Needs no files.
import { batches, batchTensors, classCounts, patchworks, pixelStatistics } from "@heed/datasets";
import { randomKey } from "@heed/tensor";

const key = randomKey(7);
const train = patchworks(key.split("train"), { count: 800 });
const test = patchworks(key.split("test"), { count: 200 });
console.log(`${train.count} + ${test.count} pictures of ${train.width} × ${train.height}, ${train.classNames.length} classes`);
console.log(`pictures per class: ${classCounts(train).join(" ")}`);

const statistics = pixelStatistics(train);
console.log(
  `mean ${statistics.mean.map((value) => value.toFixed(3)).join(" ")}, deviation ${statistics.std.map((value) => value.toFixed(3)).join(" ")}`,
);

for (let epoch = 0; epoch < 2; epoch++) {
  let seen = 0;
  for (const batch of batches(train, { batchSize: 64, key, epoch, statistics, augment: { shift: 2 } })) {
    const { images, labels } = batchTensors(batch); // a model would go here
    if (seen === 0)
      console.log(`epoch ${epoch}: images [${images.shape.join(", ")}], labels ${labels.toTypedArray().slice(0, 8).join(" ")} …`);
    seen += batch.labels.length;
  }
  console.log(`epoch ${epoch}: ${seen} pictures`);
}

const picture = patchworks(key.split("drawn"), { count: 1, jitter: 0, noise: 0, distractors: 0 });
console.log(`\n"${picture.classNames[picture.labels[0]]}", without noise and distractors:`);
for (let y = 0; y < picture.height; y += 2) {
  let line = "";
  for (let x = 0; x < picture.width; x++) line += " .:-=+*#%@"[Math.floor(picture.images[y * picture.width + x] / 25.6)];
  console.log(line);
}
