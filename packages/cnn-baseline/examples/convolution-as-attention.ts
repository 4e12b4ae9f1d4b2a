// A convolution is self-attention over pixels, with one head per tap of its kernel (Cordonnier, Loukas, Jaggi 2020): the same numbers both ways.
import { Conv2d, convToAttention } from "@heed/cnn-baseline";
import { abs, max, normal, randomKey, slice, sub, type Tensor } from "@heed/tensor";

const key = randomKey(7);
const convolution = new Conv2d(3, 4, { key: key.split("convolution"), kernelSize: 3, padding: "same" });
const attention = convToAttention(convolution.weight, { bias: convolution.bias! });
console.log(attention.centers.toString()); // where each of the nine heads looks, from where it stands

const image = normal(key.split("image"), [1, 3, 12, 12]);
const expected = convolution.forward(image);
const farthest = (a: Tensor, b: Tensor) => max(abs(sub(a, b))).item() as number;
const inside = (x: Tensor) => slice(slice(x, 2, 1, 11), 3, 1, 11);

// At the border a tap beyond the image sees the nearest pixel, since weights sum to one; with a ring of zeros there is no border.
const interior = farthest(inside(attention.forward(image)), inside(expected));
const everywhere = farthest(attention.forward(image, { border: "zeros" }), expected);
console.log(`off by ${interior.toExponential(1)} on interior pixels, by ${everywhere.toExponential(1)} everywhere with zeros around`);
if (!(interior < 1e-4 && everywhere < 1e-4)) throw new Error("both ways should agree");
