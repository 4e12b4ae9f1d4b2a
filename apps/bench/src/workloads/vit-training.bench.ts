// node --conditions=@heed/source apps/bench/src/workloads/vit-training.bench.ts
import { printWorkload } from "./measure.ts";
import { vitTrainingStep } from "./vit.ts";

printWorkload(vitTrainingStep());
