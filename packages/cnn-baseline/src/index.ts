export { BasicBlock } from "./basic-block.ts";
export { convToAttention, type ConvolutionAsAttention, type ConvToAttentionOptions } from "./conv-to-attention.ts";
export { Conv2d, type Conv2dOptions } from "./conv2d.ts";
export { ResNet, type ResNetOptions } from "./resnet.ts";
