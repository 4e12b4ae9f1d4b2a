// Masks are values: they combine, draw themselves, and say which keys a query may see without an L × S array.
import { and, causal, not, or, padding, window } from "@heed/masks";

const mask = and(causal(), padding([4, 2]));
console.log(mask.toTensor(4, 4).shape); // [2, 1, 4, 4]

const local = and(causal(), or(window(2, 0), not(window(5, -1)))); // the last three keys, and what lies more than five back
console.log(`${local.name}\n${local.toString(9, 9)}`);

const n = 65_536;
const form = and(causal(), window(255, 0)).lower({ B: 1, H: 1, L: n, S: n, queryOffset: 0 });
if (form.form === "ranges")
  console.log(`${n} × ${n} as ${form.bounds.length / 2} ranges; query 1000 sees keys ${form.bounds[2000]} to ${form.bounds[2001]! - 1}`);
console.log(`${causal().toSVG(16, 16).length} bytes of SVG`);
