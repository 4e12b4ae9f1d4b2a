import { LAYOUT } from "./threads/layout.ts";
import { workerMain } from "./threads/worker-main.ts";

// The program of a worker thread as a file, for `configure({ workerUrl })`.
workerMain(LAYOUT);
