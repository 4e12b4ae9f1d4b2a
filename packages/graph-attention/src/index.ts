export { edgeAttention, type EdgeAttentionOptions } from "./edge-attention.ts";
export { GATConv } from "./gat-conv.ts";
export { GATv2Conv, type GATv2Options } from "./gatv2-conv.ts";
export { GraphTransformerConv, type GraphTransformerOptions } from "./graph-transformer-conv.ts";
export { Graph, type Csr } from "./graph.ts";
export type { GraphConvOptions, GraphConvResult } from "./internal/conv.ts";
export { globalAttentionPool, globalMaxPool, globalMeanPool } from "./pooling.ts";
export { segmentMean, segmentSoftmax, segmentSum } from "./segments.ts";
export { SparseMatrix, sparseMatmul, type CompressedRows } from "./sparse-matrix.ts";
