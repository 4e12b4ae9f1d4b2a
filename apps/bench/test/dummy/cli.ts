/** `bench` with the dummy experiment only, for tests that need a process: signals, exit codes, streams. */
import { main } from "../../src/main.ts";
import { dummy } from "./experiment.ts";

void main(process.argv.slice(2), [dummy]).then((code) => void (process.exitCode = code));
