/** What every export of attention may choose. */
export interface ExportOptions {
  /** 23: the `Attention` operator. 17: small operators, for runtimes that lack it. */
  readonly opset: 23 | 17;
  /** Whether a query sees no key after its own place: `mask: causal()`. Default false. */
  readonly causal?: boolean;
  /** Where query 0 stands among the keys, as in `attention`; read by `causal`. Default S − L (bottom right), found when the model runs. */
  readonly queryOffset?: number;
  /** Factor of the scores. Default 1 / √D. */
  readonly scale?: number;
  /** c · tanh(s / c) on the scores, c > 0. Default off. */
  readonly softcap?: number;
  /** Whether the model has an input `mask`, bool, true = may attend. Default false. */
  readonly mask?: boolean;
}
