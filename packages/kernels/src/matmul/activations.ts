/** What `linear` may do to a · b + bias: nothing, or GELU by the error function or by tanh. */
export const activations = { none: 0, gelu: 1, geluTanh: 2 } as const;
