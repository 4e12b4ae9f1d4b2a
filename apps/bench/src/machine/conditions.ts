/** Whether a process that is started runs source or built packages: as this one does. */
export const conditions = (): string[] =>
  process.execArgv.flatMap((word, i, all) =>
    /^(--conditions|-C)$/.test(word) ? [`--conditions=${all[i + 1]}`] : word.startsWith("--conditions=") ? [word] : [],
  );
