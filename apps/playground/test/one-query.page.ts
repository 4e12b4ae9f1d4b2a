import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { readSafetensors } from "@heed/tensor";
import axe from "axe-core";
import type { Browser, Page } from "playwright";
import { preview, type PreviewServer } from "vite";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { compute } from "../src/exhibits/one-query/model.ts";
import { moveKey, moveQuery, notesExample, setSeen, type View } from "../src/exhibits/one-query/view.ts";
import { executablePath, launch } from "./chromium.ts";

const root = join(import.meta.dirname, "..");
const built = join(root, "dist/page");
if (!existsSync(join(built, "index.html")))
  throw new Error("There is no built page to test. Run `npx -y pnpm@12.21.0 check:page`, which builds it.");

/** Of everything that a visitor of the first exhibit loads. */
const budget = 120 * 1024;

/** Trained models, which a page loads when it is asked to. */
const weightsFolder = "weights";

it("weighs at most 120 KiB, gzipped, all files together but trained weights", () => {
  const files = globSync("**/*", { cwd: built }).filter((path) => statSync(join(built, path)).isFile() && !path.startsWith(weightsFolder));
  const weights = files.map((path) => gzipSync(readFileSync(join(built, path)), { level: 9 }).byteLength);
  const total = weights.reduce((sum, each) => sum + each, 0);
  console.log(`The page weighs ${(total / 1024).toFixed(1)} KiB gzipped, in ${files.length} files.`);
  expect(files.length).toBeGreaterThan(3);
  expect(total).toBeLessThanOrEqual(budget);
});

it("serves trained weights, each at most 1.5 MB, with shape, vocabularies and a card", () => {
  const found = globSync("*.safetensors", { cwd: join(built, weightsFolder) }).map((file) => file.replace(".safetensors", ""));
  expect(found.sort()).toEqual(["sentiment", "speech", "tagging", "translation-fr-en", "vision"]);
  for (const name of found) {
    const read = (ending: string) => readFileSync(join(built, weightsFolder, `${name}.${ending}`));
    const weights = read("safetensors");
    expect(weights.length).toBeLessThanOrEqual(1.5e6);
    expect(Object.values(readSafetensors(weights).tensors).every(({ dtype }) => dtype === "float16")).toBe(true);
    expect(JSON.parse(read("json").toString())).toHaveProperty("model");
    expect(read("md").toString()).toContain(createHash("sha256").update(weights).digest("hex"));
  }
});

if (executablePath === undefined)
  console.warn("No Chromium was found: the page is not tested. Install one, or name it in the variable CHROMIUM.");

describe.skipIf(executablePath === undefined)("in Chromium (skipped where none is found)", () => {
  let server: PreviewServer;
  let browser: Browser;
  let origin: string;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    server = await preview({ root, configFile: join(root, "vite.config.ts"), logLevel: "error", preview: { port: 4317 } });
    origin = server.resolvedUrls!.local[0]!;
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  interface Visit {
    readonly hash?: string;
    readonly width?: number;
    readonly theme?: "light" | "dark";
    readonly locale?: string;
  }

  async function visit({ hash = "", width = 1280, theme = "light", locale = "en" }: Visit = {}): Promise<void> {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: theme, locale });
    page = await context.newPage();
    page.on("console", (message) => complaints.push(`console ${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
    page.on("requestfailed", (request) => {
      // Leaving a page cancels what is still on its way: the test's doing, not the page's.
      if (request.failure()?.errorText !== "net::ERR_ABORTED") complaints.push(`failed: ${request.url()}`);
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(origin)) complaints.push(`foreign request: ${request.url()}`);
    });
    page.on("response", (response) => {
      if (response.status() >= 400) complaints.push(`${response.status()}: ${response.url()}`);
    });
    await page.goto(origin + hash);
    await page.waitForSelector(".steps");
  }

  // Whatever a test does: no console message (a violated policy is one), no error, no request to another origin.
  afterEach(async () => {
    await page.context().close();
    expect(complaints.splice(0)).toEqual([]);
  });

  const figure = async (id: string) => Number(await page.getAttribute(`[data-figure="${id}"]`, "data-value"));
  const figures = (ids: readonly string[]) => Promise.all(ids.map(figure));
  const perWord = (id: string) => figures([0, 1, 2].map((i) => `${id}-${i}`));
  const pair = (id: string) => figures([`${id}-x`, `${id}-y`]);
  const choose = (text: string) => page.locator(".choice label", { hasText: new RegExp(`^${text}$`) }).click();
  const handle = (id: string) => page.locator(`[data-handle="${id}"]`);
  const centre = async (id: string) => {
    const box = (await handle(id).boundingBox())!;
    return [box.x + box.width / 2, box.y + box.height / 2] as const;
  };

  /** Float32 in both: Chromium and Node may use builds that round differently, once per operation. */
  const closeTo = (found: readonly number[], expected: readonly number[], digits = 5) => {
    expect(found).toHaveLength(expected.length);
    found.forEach((each, i) => expect(each).toBeCloseTo(expected[i]!, digits));
  };
  async function expectView(view: View): Promise<void> {
    const reading = compute(view);
    const pairs = async (id: string) => [await pair(`${id}-0`), await pair(`${id}-1`), await pair(`${id}-2`)].flat();
    await expect
      .poll(async () => (await perWord("score")).map((each) => each.toFixed(4)))
      .toEqual(reading.scores.map((each) => each.toFixed(4)));
    closeTo(await perWord("weight"), reading.weights);
    closeTo([await figure("weight-total")], [reading.totalWeight]);
    closeTo(await pairs("scaled"), reading.scaled.flat());
    closeTo(await pair("context"), reading.context);
  }

  it("opens on the lecture notes' example, with the numbers that the package's own example prints", async () => {
    await visit();
    closeTo(await perWord("score"), [0.95, 1.0, 0.61]);
    closeTo(await perWord("weight"), [0.36192, 0.380476, 0.257604]);
    closeTo(await pair("context"), [0.717822, 1.023937]);
    const example = join(root, "../../packages/attention/examples/worked-example.ts");
    const printed = execFileSync(process.execPath, ["--conditions=@heed/source", example], { encoding: "utf8" });
    const shown = [await perWord("score"), await perWord("weight")].map((list) => list.map((each) => each.toFixed(2)));
    shown[0]!.forEach((score, i) => expect(printed).toContain(`score ${score}   weight ${shown[1]![i]}`));
    expect(printed).toContain(`(${(await pair("context")).map((each) => each.toFixed(4)).join(", ")})`);
    expect(await page.textContent("body")).toContain("(0.716, 1.026)");
  });

  it("is isolated, and shows two digits of each number", async () => {
    await visit();
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(await page.textContent(`[data-figure="weight-2"]`)).toBe("0.26");
  });

  it("has a policy that refuses what the page does not need", async () => {
    await visit();
    await page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "document.title = 'changed'";
      document.body.append(script);
      document.body.setAttribute("style", "color: red");
    });
    await expect.poll(() => complaints.length).toBe(2);
    complaints.splice(0).forEach((complaint) => expect(complaint).toContain("Content Security Policy"));
    expect(await page.title()).not.toBe("changed");
  });

  it("follows a switch of the score", async () => {
    await visit();
    await choose("bilinear");
    closeTo(await perWord("score"), [0.7, 1.2, 1.26]);
    await expectView({ ...notesExample, score: "bilinear" });
    await choose("Gaussian");
    closeTo(await perWord("score"), [-0.04, -0.405, -0.9]);
    await choose("scaled dot");
    await expectView({ ...notesExample, score: "scaledDot" });
    await choose("additive");
    await expectView({ ...notesExample, score: "additive" });
  });

  it("follows a switch of the normaliser", async () => {
    await visit();
    await choose("hard");
    expect(await perWord("weight")).toEqual([0, 1, 0]);
    closeTo(await pair("context"), [0.8, 1.2]);
    await choose("ReLU ÷ sum");
    closeTo(await perWord("weight"), [0.95 / 2.56, 1 / 2.56, 0.61 / 2.56]);
    await choose("ReLU ÷ count");
    closeTo([await figure("weight-total")], [2.56 / 3]);
    await choose("sigmoid");
    await expectView({ ...notesExample, normaliser: "sigmoid" });
  });

  it("follows the mouse: a query dragged onto a key", async () => {
    await visit();
    await page.mouse.move(...(await centre("query")));
    await page.mouse.down();
    await page.mouse.move(...(await centre("key-0")), { steps: 5 });
    await page.mouse.up();
    await expectView(moveQuery(notesExample, [1, 0.5]));
    closeTo(await perWord("score"), [1.25, 1.4, 0.95]);
    expect(await page.inputValue(`[data-field="query-x"]`)).toBe("1");
  });

  it("keeps a vector within the plane, however far the mouse goes", async () => {
    await visit();
    await page.mouse.move(...(await centre("key-1")));
    await page.mouse.down();
    await page.mouse.move(1270, 5, { steps: 4 });
    await page.mouse.up();
    await expectView(moveKey(notesExample, 1, [2, 2]));
  });

  it("follows the keyboard alone: arrow keys, number fields, radio buttons, check boxes", async () => {
    await visit();
    await handle("key-2").focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Shift+ArrowDown");
    let view = moveKey(notesExample, 2, [0.3, 1.25]);
    await expectView(view);
    expect(await handle("key-2").getAttribute("aria-valuetext")).toBe("(0.30, 1.25)");

    await page.focus(`[data-field="query-y"]`);
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("-0.75");
    view = moveQuery(view, [0.8, -0.75]);
    await expectView(view);
    await page.keyboard.press("ArrowUp");
    view = moveQuery(view, [0.8, -0.7]);
    await expectView(view);

    await page.focus(`[data-field="seen-0"]`);
    await page.keyboard.press("Space");
    view = setSeen(view, 0, false);
    await expectView(view);
    expect(await figure("weight-0")).toBe(0);

    await page.getByRole("radio", { name: "softmax" }).focus();
    await page.keyboard.press("ArrowRight");
    await expectView({ ...view, normaliser: "reluSum" });
  });

  it("shows which way the query should move, and goes there", async () => {
    await visit();
    await page.getByRole("radio", { name: "monde" }).check({ force: true });
    const { slope } = compute({ ...notesExample, target: 2 });
    closeTo(await pair("slope"), slope!);
    const before = await figure("weight-2");
    await page.click(`[data-action="uphill"]`);
    await expect.poll(() => figure("weight-2")).toBeGreaterThan(before);
    await choose("hard");
    expect(await pair("slope")).toEqual([0, 0]);
  });

  it("keeps the view in the address, so that it can be shared, and finds back to the notes", async () => {
    await visit();
    await choose("Gaussian");
    await handle("query").press("ArrowUp");
    await expect.poll(() => page.url()).toContain("query=0.8,0.35");
    const shared = page.url();
    await page.goto("about:blank");
    await page.goto(shared);
    await page.waitForSelector(".steps");
    await expectView({ ...moveQuery(notesExample, [0.8, 0.35]), score: "gaussian" });
    await page.click("button.reset");
    await expectView(notesExample);
    await expect.poll(() => page.url()).not.toContain("query=");
    await page.evaluate(() => (location.hash = "#one-query?normaliser=hard&keys=nonsense"));
    await expectView({ ...notesExample, normaliser: "hard" });
  });

  it("speaks two languages, and remembers which, and the colours", async () => {
    await visit({ locale: "zh-CN" });
    expect(await page.textContent("h1")).toBe("一个查询，逐步看");
    await page.selectOption(".preferences select >> nth=1", "en");
    await page.selectOption(".preferences select >> nth=0", "dark");
    expect(await page.textContent("h1")).toBe("One query, step by step");
    await page.reload();
    await page.waitForSelector(".steps");
    expect(await page.evaluate(() => [document.documentElement.lang, getComputedStyle(document.documentElement).colorScheme])).toEqual([
      "en",
      "dark",
    ]);
    expect(await page.title()).toBe("One query, step by step · heed");
  });

  it("moves nothing by itself for those who ask for that", async () => {
    await visit();
    await page.emulateMedia({ reducedMotion: "reduce" });
    expect(
      await page
        .locator(".score-bar > span")
        .first()
        .evaluate((bar) => getComputedStyle(bar).transitionDuration),
    ).toMatch(/^0s/);
  });

  // Every state of the interface that has elements of its own.
  const busy = "#one-query?query=-0.6,0.9&seen=011&score=bilinear&normaliser=hard&target=le";
  const looks: Visit[] = (["light", "dark"] as const).flatMap((theme) =>
    [1280, 320].flatMap((width) => [
      { theme, width },
      { theme, width, hash: busy, locale: "zh-CN" },
    ]),
  );
  it.each(looks)("is accessible and fits: $theme, $width px, $hash", async (look) => {
    await visit(look);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(look.width);
    await page.evaluate(axe.source);
    const { violations, passes } = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run());
    expect(passes.length).toBeGreaterThan(20);
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`)).toEqual([]);
  });
});
