import type { ComponentType } from "preact";
import type { Address } from "./address.ts";
import type { Language } from "./language.ts";

/** A page of the playground. It has a folder in `exhibits/`, and a line in `exhibits/index.ts`. */
export interface Exhibit {
  /** In the address, after `#`. */
  readonly id: string;
  readonly title: Record<Language, string>;
  /** Loads the folder's code and styles, so that a visitor fetches only what is in sight. */
  load(): Promise<{ readonly Exhibit: ComponentType<ExhibitProps> }>;
}

export interface ExhibitProps {
  /** What the visitor came with; a new object means: show that. */
  readonly address: Address;
  /** Puts the exhibit's state into the address. */
  readonly onState: (state: string) => void;
}
