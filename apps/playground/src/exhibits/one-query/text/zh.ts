import type { en } from "./en.ts";

export const zh = {
  title: "一个查询，逐步看",
  eyebrow: "手算注意力",
  lede:
    "翻译器读完了“Bonjour le monde”，正要写出“Hello world”。它读过的每个词都留下一个向量，即键；" +
    "翻译器自己的状态也是一个向量，即查询。注意力要问：每个键与这个查询有多相合？再按答案把各个词混合起来。",
  invitation: "拖动箭头的尖端，或直接输入数字；移动时整页都会重新计算。",

  vectors: "向量",
  query: "查询",
  key: (word: string) => `键“${word}”`,
  context: "上下文",
  word: "向量",
  seen: "可见",
  seenLabel: (word: string) => `查询可以看到“${word}”`,
  field: (name: string, axis: "x" | "y") => `${name}，${axis}`,
  movable: "可移动的尖端",
  reset: "回到讲义的例子",
  planeLabel: (query: string, keys: string) => `平面上有位于 ${query} 的查询和三个键：${keys}。键上的圆点按权重着色。`,
  legend: "圆点颜色：权重，从 0 到 1。",

  score: "得分",
  scoreQuestion: "每个键与查询有多相合？",
  scoreChoice: "得分函数",
  scores: { dot: "点积", scaledDot: "缩放点积", additive: "加性", bilinear: "双线性", gaussian: "高斯" },
  aboutScore: {
    dot: "对应坐标相乘再相加。键与查询方向一致，得分就高；但键本身长，得分也高：在讲义的例子里“le”胜过“Bonjour”，尽管后者的方向更接近查询。",
    scaledDot: "点积除以 √D，D 是向量的维数，这里是 2。维数大时点积随 √D 增长；不除的话，softmax 很快就只看一个键了。",
    additive:
      "一个小网络：两边各作投影，相加，用 tanh 压缩，再按 v 加权求和。tanh 不超过 1，所以长向量也压不过别人。这里 W 和 U 是单位矩阵，v = (1, 1)；模型会学习这三者。",
    bilinear: "两者之间的矩阵决定哪个坐标去问哪个坐标。这里的矩阵交换坐标：查询的 x 去问键的 y。模型会学习它。",
    gaussian: "越近越好：负的距离平方之半，即钟形曲线的对数。配上 softmax，就是 Nadaraya 与 Watson 的核回归（1964）。",
  },
  scoreAside: "规则很要紧：在讲义的例子里，点积偏爱“le”，双线性偏爱“monde”，高斯偏爱“Bonjour”。",

  weight: "权重",
  weightQuestion: "得分怎样变成份额？",
  weightChoice: "归一化",
  normalisers: { softmax: "softmax", reluSum: "ReLU ÷ 总和", reluCount: "ReLU ÷ 个数", sigmoid: "sigmoid", hard: "硬选择" },
  aboutNormaliser: {
    softmax: "指数使每个得分都为正，并拉大差距；除以总和，就成了整体中的份额。没有哪个键会被完全忽略。",
    reluSum: "负的得分当作零，其余保持比例。键可以被完全忽略。",
    reluCount: "负的得分当作零，除数只是可见键的个数 n。各个键互不争夺。",
    sigmoid: "每个键单独评判，在 0 与 1 之间，与别的键无关。",
    hard: "得分最高者独占。简单明了，但阶跃没有斜率：训练时无从得知怎样会更好。",
  },
  highest: "最高",
  notHighest: "不是最高",
  otherwise: "否则",
  ifHighest: "若",
  masked: "不可见",
  together: "合计",

  sum: "加权和",
  sumQuestion: "查询带走了什么？",
  aboutSum: "每个向量按权重缩短，首尾相接。终点就是上下文：翻译器动笔之前，对这句话所知道的。",
  inside: "权重之和为 1，所以上下文落在各键张成的虚线图形之内。",
  outside: (total: string) => `权重之和为 ${total}，所以上下文不一定落在各键张成的虚线图形之内。`,
  nothing: "没有任何权重：上下文为零。",
  byHand: (pair: string) => `若手算，把权重先舍入到两位小数，则得 ${pair}。`,
  sumLabel: (parts: string, context: string) => `缩短后的向量首尾相接：${parts}。终点是上下文 ${context}。`,

  slope: "斜率",
  slopeQuestion: "查询该往哪里移动？",
  aboutSlope: "训练希望正确的词得到更多权重。选一个词：把上面各步反向求导，得到它的权重的梯度，它指出查询该去的方向。",
  slopeChoice: "让它的权重更大",
  none: "不选",
  slopeShown: "查询上的虚线箭头表示梯度的方向。",
  slopeStep: "走一步",
  slopeDot: "用点积和 softmax 时，它等于 α (h − c)：从上下文径直指向这个词。",
  slopeZero: "它是零：在这里，查询稍微移动不会改变任何东西。",

  code: "代码",
  codeQuestion: "在你的程序里这样写",
  summary: (weights: string, context: string) => `权重：${weights}。上下文 ${context}。`,
} satisfies typeof en;
