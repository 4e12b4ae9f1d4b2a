export const [heads, length, width] = [8, 197, 64];

/** Query, key and value of one attention (1, 8, 197, 64): what every smallest program begins with. */
export function operands() {
  return [1, 2, 3].map((seed) => {
    const data = new Float32Array(heads * length * width);
    for (let i = 0; i < data.length; i++) data[i] = Math.sin(seed * 1000 + i);
    return data;
  });
}
