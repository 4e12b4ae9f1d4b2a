export { expectModuleGradient } from "./testing/expect-module-gradient.ts";
