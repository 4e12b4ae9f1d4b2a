import { signal } from "@preact/signals";

/** The part of the page's address after `#`: `exhibit?state`. So a view can be shared, and the back button works. */
export interface Address {
  readonly exhibit: string;
  readonly state: string;
}

/** What the visitor came with: a new object whenever they follow a link, edit the address or go back. */
export const address = signal<Address>(read());

addEventListener("hashchange", () => (address.value = read()));

function read(): Address {
  const [exhibit = "", ...state] = location.hash.slice(1).split("?");
  return { exhibit, state: state.join("?") };
}

let timer: ReturnType<typeof setTimeout> | undefined;

/** Puts the state of the exhibit in sight into the address, once the visitor rests: browsers refuse to do it often. */
export function writeState(exhibit: string, state: string): void {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const hash = state === "" ? exhibit : `${exhibit}?${state}`;
    const untouched = location.hash === "" && state === "";
    if (location.hash !== `#${hash}` && !untouched) history.replaceState(null, "", `#${hash}`);
  }, 200);
}
