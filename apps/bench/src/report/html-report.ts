import { interpolateCividis } from "d3-scale-chromatic";
import { duration, number, percent, percentWithDeviation, deviation, mean, quantile } from "../format.ts";
import { type Markup, html, Markup as Raw } from "./html.ts";
import type { ConfusionSection, Section, Table } from "./outcome.ts";
import { attentionMap } from "./plots/attention-map.ts";
import { confusionPlot, longName } from "./plots/confusion.ts";
import { curvesPlot, curvesRows } from "./plots/curves.ts";
import { durationsPlot } from "./plots/durations.ts";
import { graphDrawing } from "./plots/graph-drawing.ts";
import { scoresPlot } from "./plots/scores.ts";
import { SeriesStyles } from "./plots/series-style.ts";
import { weighedWords } from "./plots/weighed-words.ts";
import { weightsPlot } from "./plots/weights-plot.ts";
import type { Report } from "./report.ts";
import { settingsTable } from "./settings-table.ts";
import { style } from "./style.ts";

/** Nothing may come from elsewhere, and nothing runs. */
const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/** The report as one file that needs no other: no script, no request. */
export function htmlReport(report: Report): string {
  const { outcome, settings, experiment, data } = report;
  const styles = new SeriesStyles(outcome.models.map(({ name }) => name));
  const sections = outcome.sections.map((section, index) => ({ section, id: `s${index + 1}`, drawn: draw(section, styles) }));
  const chips: [string, string][] = [
    ["profile", settings.profile],
    ["data", data.name],
    [report.seeds.length === 1 ? "seed" : "seeds", report.seeds.join(", ")],
    ["precision", settings.precision],
    ["side by side", String(report.threads)],
    ["took", duration(report.seconds)],
    ["", report.date.slice(0, 10)],
  ];
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="generator" content="heed bench" />
        <title>${report.title}</title>
        <style>
          ${new Raw(style)}
        </style>
      </head>
      <body>
        <header class="head">
          <p class="brand"><b>heed</b> · bench ${settings.experiment}</p>
          <h1>${capital(experiment.summary)}</h1>
          <p class="lede">${unbroken(outcome.headline)}</p>
          <ul class="chips">
            ${chips.map(([key, value]) => html`<li>${key} <b>${value}</b></li>`)}
          </ul>
          ${report.partial && html`<p class="partial" role="status"><strong>Partial report.</strong> The run was interrupted; figures are of what was done by then. <code>--resume</code> goes on where it stopped.</p>`}
          <nav aria-label="Sections">
            ${[{ id: "results", title: "Results" }, ...sections.map(({ id, section }) => ({ id, title: section.title })), { id: "made", title: "How it was made" }].map(({ id, title }) => html`<a href="#${id}">${title}</a> `)}
          </nav>
        </header>
        <main>
          <section id="results" aria-labelledby="results-h">
            <h2 id="results-h">Results</h2>
            ${tableHtml(outcome.table, "Results")}
          </section>
          ${sections.map(
            ({ section, id, drawn }) =>
              html`<section id="${id}" aria-labelledby="${id}-h">
                <h2 id="${id}-h">${section.title}</h2>
                ${section.kind !== "text" && html`<p class="caption">${section.caption}</p>`}${drawn}
              </section>`,
          )}
          <section id="made" aria-labelledby="made-h">
            <h2 id="made-h">How it was made</h2>
            <p class="caption">The same command with the same data gives the same results; times depend on the machine.</p>
            <pre><code>${report.command}</code></pre>
            ${tableHtml(settingsTable(report), "Settings, data, machine and versions", "settings")}
          </section>
          <footer>Made by heed bench on ${report.date}. The data behind this page is in report.json beside it.</footer>
        </main>
      </body>
    </html> `;
  // The indentation of nested templates would be a third of the file.
  return page.text.replaceAll(/\n\s+/g, "\n");
}

function draw(section: Section, styles: SeriesStyles): Markup {
  switch (section.kind) {
    case "text":
      return html`<p>${section.caption}</p>`;
    case "table":
      return tableHtml(section.table, section.title);
    case "scores":
      return html`<figure class="panel single">${scoresPlot(section, styles)}</figure>
        ${values(
          ["model", "mean ± deviation", "single runs"],
          section.rows.map(({ name, values: all }) =>
            section.percent
              ? [name, percentWithDeviation(mean(all), deviation(all)), all.map((value) => percent(value)).join(", ")]
              : [
                  name,
                  `${number(mean(all))}${all.length > 1 ? ` ± ${number(deviation(all)!)}` : ""}`,
                  all.map((value) => number(value)).join(", "),
                ],
          ),
        )}`;
    case "curves":
      return html`${styles.legend([...new Set(section.plots.flatMap((plot) => plot.series.map(({ name }) => name)))])}
        <div class="grid-2">
          ${section.plots.map(
            (plot) =>
              html`<figure class="panel">
                <h3>${plot.title}</h3>
                ${curvesPlot(plot, styles)}
              </figure>`,
          )}
        </div>
        ${values(
          ["plot", "model", "first", "last", "best"],
          section.plots.flatMap((plot) => curvesRows(plot).map((row) => [plot.title, ...row])),
        )}`;
    case "confusion":
      return html`<div
          class="${section.classes.length > 12 || section.classes.some((name) => name.length > longName) ? "grid-wide" : "grid-2"}"
        >
          ${section.matrices.map(
            ({ name, counts }) =>
              html`<figure class="panel">
                <h3>${name}</h3>
                ${confusionPlot(name, section.classes, counts)}
              </figure>`,
          )}
        </div>
        ${colourScale("none of the row", "all of the row")}${confusionTables(section)}`;
    case "attention":
      return html`<div class="samples">
        ${section.samples.map(
          ({ title, subtitle, picture = "the picture", maps, ...sample }) =>
            html`<article class="panel sample">
              <h3>${title}</h3>
              <p>${subtitle}</p>
              <div class="maps">
                <figure>
                  <img
                    src="${sample.png}"
                    alt="${capital(picture)}: ${title}"
                    ${sample.aspect !== undefined && html`style="aspect-ratio:1 / ${String(sample.aspect)}"`}
                  />
                  <figcaption>${picture}</figcaption>
                </figure>
                ${maps.map(
                  ({ label, weights }) =>
                    html`<figure>
                      ${attentionMap(sample, label, weights)}
                      <figcaption>${label}</figcaption>
                    </figure>`,
                )}
              </div>
            </article>`,
        )}
      </div>`;
    case "graphs":
      return html`<div class="grid-2">
          ${section.samples.map(
            ({ title, subtitle, nodes, edges }) =>
              html`<figure class="panel">
                <h3>${title}</h3>
                <p>${subtitle}</p>
                ${graphDrawing(title, nodes, edges)}
              </figure>`,
          )}
        </div>
        ${colourScale("no weight", "most weight")}${values(
          ["graph", "node", "share of the largest weight"],
          section.samples.flatMap(({ title, nodes }) =>
            nodes.map(({ label, weight }, i) => [title, `${i + 1} ${label}`, percent(weight, 0)]),
          ),
        )}`;
    case "weights":
      return html`<div class="grid-2">
          ${section.samples.map(
            (sample) =>
              html`<figure class="panel">
                <h3>${sample.title}</h3>
                ${sample.subtitle !== undefined && html`<p>${sample.subtitle}</p>`} ${weightsPlot(sample)}
              </figure>`,
          )}
        </div>
        ${colourScale("no weight", "all weight of the row")}${values(
          ["picture", "what looks", "looks most at", "weight"],
          section.samples.flatMap(({ title, rows, columns, weights }) =>
            rows.map((row, i) => {
              const most = Math.max(...weights[i]!);
              return [title, row, columns[weights[i]!.indexOf(most)] ?? "", percent(most, 0)];
            }),
          ),
        )}`;
    case "words":
      return html`<div class="grid-2">
          ${section.samples.map(
            ({ title, subtitle, words, weights }) =>
              html`<article class="panel sample">
                <h3>${title}</h3>
                ${subtitle !== undefined && html`<p>${subtitle}</p>`} ${weighedWords(words, weights)}
              </article>`,
          )}
        </div>
        ${values(
          ["text", "most weight on", "then on"],
          section.samples.map(({ title, words, weights }) => {
            const order = words.map((_, i) => i).sort((a, b) => weights[b]! - weights[a]! || a - b);
            const told = (places: readonly number[]) => places.map((i) => `${words[i]} (${percent(weights[i]!, 0)})`).join(", ");
            return [title, told(order.slice(0, 1)), told(order.slice(1, 3))];
          }),
        )}`;
    case "durations":
      return html`<figure class="panel single">${durationsPlot(section, styles)}</figure>
        ${values(
          ["model", "10 %", "25 %", "median", "75 %", "90 %"],
          section.rows.map(({ name, values: all }) => [name, ...[0.1, 0.25, 0.5, 0.75, 0.9].map((q) => number(quantile(all, q)))]),
        )}`;
  }
}

/** Share of each class found, and the pairs most often mixed up. */
function confusionTables({ classes, matrices }: ConfusionSection): Markup {
  const recall = classes.map((name, index) => [
    name,
    ...matrices.map(({ counts }) => {
      const total = counts[index]!.reduce((sum, count) => sum + count, 0);
      return total === 0 ? "–" : `${percent(counts[index]![index]! / total, 0)} (${counts[index]![index]} of ${total})`;
    }),
  ]);
  const pairs = matrices.flatMap(({ name, counts }) =>
    counts
      .flatMap((row, truth) =>
        row.flatMap((count, predicted) => (truth !== predicted && count > 0 ? [{ name, count, truth, predicted }] : [])),
      )
      .sort((a, b) => b.count - a.count)
      .slice(0, 5)
      .map(({ name: model, count, truth, predicted }) => [model, classes[truth]!, classes[predicted]!, String(count)]),
  );
  return html`${values(["class", ...matrices.map(({ name }) => name)], recall, "How many of each class were found")}
  ${values(["model", "true class", "taken for", "times"], pairs, "What was mixed up most often")}`;
}

function colourScale(low: string, high: string): Markup {
  return html`<p class="scale">
    ${low}<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <defs>
        <linearGradient id="cividis">
          ${Array.from({ length: 21 }, (_, index) => html`<stop offset="${index * 5}%" stop-color="${interpolateCividis(Math.sqrt(index / 20))}" />`)}
        </linearGradient>
      </defs>
      <rect width="100" height="8" fill="url(#cividis)" /></svg
    >${high}
  </p>`;
}

/** A plot's values, for those who do not see it or want the number. */
function values(labels: readonly string[], rows: readonly (readonly string[])[], summary = "Values as a table"): Markup {
  const columns = labels.map((label, index) => ({
    label,
    align: index > 0 && rows.every((row) => /^[\d–−-]/.test(row[index]!)) ? ("right" as const) : ("left" as const),
  }));
  return html`<details>
    <summary>${summary}</summary>
    ${tableHtml({ columns, rows }, summary)}
  </details>`;
}

function tableHtml({ columns, rows, note }: Table, label: string, className = ""): Markup {
  const side = (index: number) => (columns[index]!.align === "right" ? "right" : "");
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0">
      <table class="${className}">
        <thead>
          <tr>
            ${columns.map((column, index) => html`<th scope="col" class="${side(index)}">${column.label}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) =>
              html`<tr>
                ${row.map((cell, index) => (index === 0 ? html`<th scope="row">${cell}</th>` : html`<td class="${side(index)}">${cell}</td>`))}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${note !== undefined && html`<p class="note">${note}</p>`}`;
}

/** Keeps "75.4 ± 1.3 %" on one line. */
const unbroken = (text: string): string => text.replaceAll(/(?<=[\d±]) (?=[±%\d])/g, "\u00a0");
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
