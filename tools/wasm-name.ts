/** What a family's function is called in modules: `streaming-backward` is `streamingBackward`. */
export function exportOf(family: string): string {
  return family.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
