/** A process that sits on one core and says, for every line on standard input, how fast that core is now: a line of JSON. */
import { createInterface } from "node:readline";
import { measurePace } from "@heed/kernels/benchmarks";
import { PROBES } from "./quiet-machine.ts";

for await (const _ of createInterface({ input: process.stdin })) process.stdout.write(`${JSON.stringify(measurePace(PROBES))}\n`);
