/** What it takes to run wide kernels: a good part of what there is of this package, so that only who asks for it has it. */
export interface WideMode {
  /** Why the wide build cannot run here, or `undefined` when it can. */
  obstacle(): string | undefined;
  compile(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module;
  /** Notes that the engine gets the wide kernels of a family wrong, so that the relaxed ones run. */
  refuse(family: string): void;
  /** "on", with the families that are left out of it, or why it is not. */
  state(): string;
}

let mode: WideMode | undefined;

/** The wide mode, once somebody asked for it. */
export function wideMode(): WideMode | undefined {
  return mode;
}

export function setWideMode(given: WideMode): void {
  mode = given;
}
