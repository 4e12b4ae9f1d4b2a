import { compileWide } from "./compile-wide.ts";
import { refuseWide, wideObstacle, wideState } from "./wide-obstacle.ts";
import { setWideMode } from "./wide-mode.ts";

/** Lets families have wide kernels from now on, where they can run; which build runs is `configure`'s to say. */
export function allowWide(): void {
  setWideMode({ obstacle: wideObstacle, compile: compileWide, refuse: refuseWide, state: wideState });
}
