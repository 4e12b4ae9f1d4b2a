export { report, secondsOf } from "./testing/measure.ts";
export {
  expectNear,
  implementationsOf,
  inWorkspace,
  largest,
  noise,
  unitRoundoff,
  Workspace,
  type Implementation,
} from "./testing/workspace.ts";
