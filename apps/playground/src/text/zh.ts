import type { en } from "./en.ts";

export const zh = {
  skip: "跳到展品",
  exhibits: "展品",
  language: "语言",
  theme: "配色",
  themes: { auto: "自动", light: "浅色", dark: "深色" },
  loading: "载入中…",
  failed: "展品未能载入。请刷新页面重试。",
  footer: "全部由 heed 的各个包在本页中计算；数据不会离开你的浏览器。",
} satisfies typeof en;
