/** What the visitor chose last time. A browser may refuse storage; then nothing is remembered. */
export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`heed:${name}`);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`heed:${name}`, value);
  } catch {
    // Then it lasts as long as the page.
  }
}
