/** `bench` with the dummy experiment only, for tests that need a process: signals, exit codes, streams. */
import { start } from "../../src/main.ts";
import { dummy } from "./experiment.ts";

start([dummy]);
