console.error("bench: no experiment is there yet.");
process.exitCode = 1;

export {};
