import type { Exhibit } from "../exhibit.ts";

/** Every page of the playground, in the order of the menu; the first opens by itself. */
export const exhibits: readonly Exhibit[] = [
  {
    id: "one-query",
    title: { en: "One query, step by step", zh: "一个查询，逐步看" },
    load: () => import("./one-query/one-query.tsx"),
  },
];
