/** The version of the file format that was released with an opset (onnx, docs/Versioning.md). */
export const irVersions = { 17: 8, 23: 11 } as const;
