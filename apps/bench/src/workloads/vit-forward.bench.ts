// node --conditions=@heed/source apps/bench/src/workloads/vit-forward.bench.ts
import { printWorkload } from "./measure.ts";
import { vitTinyForward } from "./vit.ts";

printWorkload(vitTinyForward());
