import { seriesColours } from "./plots/series-style.ts";

const colours = (dark: 0 | 1) => seriesColours.map((pair, index) => `--series-${index}:${pair[dark]};`).join("");

/** The report's only style sheet. Everything is in the file: no font, script or picture comes from elsewhere. */
export const style = `
:root{color-scheme:light dark;--ground:#fdfdfb;--panel:#fff;--ink:#1c1e21;--muted:#5b6169;--faint:#e4e4df;--axis:#8d939b;--accent:#0072b2;--warn:#8a4b00;--warn-ground:#fff3dc;${colours(0)}}
@media (prefers-color-scheme:dark){:root{--ground:#14161a;--panel:#1b1e23;--ink:#e9eaec;--muted:#a3a9b2;--faint:#30343b;--axis:#777d86;--accent:#56b4e9;--warn:#f5c063;--warn-ground:#33270f;${colours(1)}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;font-variant-numeric:tabular-nums}
main,.head{max-width:68rem;margin:0 auto;padding:0 clamp(1rem,4vw,2.5rem)}
.head{padding-top:clamp(1.5rem,5vw,3.5rem)}
.brand{margin:0 0 .4rem;font-size:.85rem;letter-spacing:.08em;color:var(--muted)}
.brand b{color:var(--accent);letter-spacing:0;font-size:1rem}
h1{margin:0;font-size:clamp(1.7rem,5vw,2.6rem);line-height:1.15;letter-spacing:-.015em;font-weight:650}
.lede{margin:.9rem 0 1rem;max-width:46rem;font-size:clamp(1.05rem,2.2vw,1.25rem);line-height:1.5}
.chips{display:flex;flex-wrap:wrap;gap:.4rem;margin:0;padding:0;list-style:none}
.chips li{padding:.1rem .65rem;border:1px solid var(--faint);border-radius:1rem;font-size:.85rem;color:var(--muted)}
.chips b{color:var(--ink);font-weight:550}
.partial{margin:1.2rem 0 0;padding:.7rem 1rem;border-left:4px solid var(--warn);background:var(--warn-ground);border-radius:0 .4rem .4rem 0}
nav{margin:1.6rem 0 0;font-size:.9rem;color:var(--muted)}
nav a{margin-right:1rem;white-space:nowrap}
a{color:var(--accent);text-underline-offset:.2em}
section{margin:clamp(2rem,5vw,3.2rem) 0}
h2{margin:0 0 .35rem;font-size:1.35rem;line-height:1.25;letter-spacing:-.01em;font-weight:620}
.caption{margin:0 0 1rem;max-width:46rem;color:var(--muted)}
h3{margin:0 0 .4rem;font-size:.98rem;font-weight:600}
figure{margin:0}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-family:inherit}
.panel{padding:clamp(.7rem,2vw,1.2rem);background:var(--panel);border:1px solid var(--faint);border-radius:.7rem}
.grid-2{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,19rem),1fr))}
.grid-wide{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr))}
.single{max-width:34rem}
.tick,.axis-label{font-size:12px;fill:var(--muted)}
svg[font-size] .tick{font-size:inherit}
.axis-label{font-size:12px;font-weight:600}
.row-label{font-size:13px;fill:var(--ink);font-weight:600}
.value{font-size:12px;fill:var(--ink);paint-order:stroke;stroke:var(--panel);stroke-width:3px}
.grid{stroke:var(--faint);fill:none}
.axis{stroke:var(--axis);fill:none}
.reference{stroke:var(--muted);stroke-dasharray:3 3;fill:none}
.reference-label{font-size:11.5px;fill:var(--muted);paint-order:stroke;stroke:var(--panel);stroke-width:3px}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:0 0 .8rem;padding:0;list-style:none;font-size:.92rem}
.legend li{display:flex;align-items:center;gap:.45rem}
.legend svg{width:34px;flex:none}
.scroll{overflow-x:auto;border:1px solid var(--faint);border-radius:.7rem;background:var(--panel)}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{padding:.5rem .8rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--faint)}
tr:last-child>*{border-bottom:0}
thead th{font-weight:550;font-size:.84rem;color:var(--muted);vertical-align:bottom;white-space:nowrap}
tbody th{font-weight:600;white-space:nowrap}
.right{text-align:right;white-space:nowrap}
.settings td{overflow-wrap:anywhere}
h2+.scroll{margin-top:.8rem}
.note{margin:.5rem 0 0;font-size:.85rem;color:var(--muted)}
details{margin-top:.8rem;font-size:.92rem}
summary{cursor:pointer;color:var(--muted);width:max-content;max-width:100%}
details .scroll{margin-top:.5rem}
.samples{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr))}
.sample h3{margin:0}
.sample p{margin:0 0 .6rem;font-size:.86rem;color:var(--muted)}
.maps{display:grid;gap:.6rem;grid-template-columns:repeat(auto-fit,minmax(5.2rem,1fr))}
.maps figcaption{margin-top:.2rem;font-size:.78rem;line-height:1.3;color:var(--muted)}
.maps svg,.maps img{display:block;width:100%;border-radius:.35rem;overflow:hidden;image-rendering:auto}
.weighed span{padding:.1rem .2rem;border-radius:.25rem;background:color-mix(in srgb,var(--accent) calc(var(--share)*60%),transparent)}
.sample p.weighed{margin:0;font-size:1rem;line-height:1.9;color:var(--ink)}
.scale{display:flex;align-items:center;gap:.5rem;margin:.8rem 0 0;font-size:.8rem;color:var(--muted)}
.scale svg{width:9rem;height:.7rem}
code{font:.88em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{margin:0 0 1rem;padding:.8rem 1rem;overflow-x:auto;background:var(--panel);border:1px solid var(--faint);border-radius:.5rem}
.empty{color:var(--muted);font-style:italic}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
footer{padding:0 0 3rem;font-size:.85rem;color:var(--muted)}
@media (max-width:30rem){.single .tick,.single .axis-label,.single .value,.single .row-label{font-size:15px}.single .reference-label{font-size:13px}}
@media print{body{background:#fff}.panel,.scroll{break-inside:avoid}nav{display:none}}
`.replaceAll("\n", "");
