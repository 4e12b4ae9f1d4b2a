/** Reads names separated by commas, for an option that takes some of these. */
export function someOf<Name extends string>(names: readonly Name[]): (text: string) => Name[] {
  return (text) => {
    const asked = text.split(",").map((name) => name.trim());
    const wrong = asked.some((name) => !(names as readonly string[]).includes(name));
    if (wrong) throw new Error(`must be some of ${names.join(", ")}, separated by commas`);
    return asked as Name[];
  };
}
