// What the checks in the browser share: the browser, pages that record every fault, and readable failures.
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const flags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export function require(holds, what) {
  if (!holds) { throw new Error(what); }
}

// A browser that ends by itself, or a page of it that does, ends the check with a code of its own (see chromium.sh), unless
// something else had failed before.
function lost(what) {
  if (closing) { return; }
  console.log(what);
  conclude();
  process.exit(failed.length > 0 ? 1 : 75);
}
// At the time limit the browser may hang: it is not asked to close, but killed by what playwright does when node ends.
process.on("SIGTERM", () => process.exit(124));
let closing = false;
export async function launch() {
  try {
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM_PATH, args: flags, handleSIGTERM: false, handleSIGHUP: false,
    });
    browser.on("disconnected", () => lost("the browser ended"));
    return browser;
  } catch (error) {
    return lost(`the browser does not start: ${error.message}`);
  }
}
export async function close(browser) {
  closing = true;
  // A browser that hangs has nothing more to say.
  await Promise.race([browser.close(), new Promise((done) => setTimeout(done, 10_000))]);
}

// A page on which any error or warning of the console, any failed request and any request elsewhere is a fault.
export async function open(browser, origin, { width = 1280, scheme = "light", script = true } = {}) {
  const context = await browser.newContext({
    viewport: { width, height: 900 }, colorScheme: scheme, javaScriptEnabled: script, reducedMotion: "reduce",
    acceptDownloads: true,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("crash", () => lost(`the page ${page.url()} crashed`));
  page.faults = [];
  page.allowed = [];
  const fault = (text) => { if (!page.allowed.some((pattern) => pattern.test(text))) { page.faults.push(`${page.url()} (${width} px, ${scheme}): ${text}`); } };
  page.on("console", (message) => {
    if (["error", "warning", "assert"].includes(message.type())) { fault(`the console says: ${message.text()} (${message.location().url})`); }
  });
  page.on("pageerror", (error) => fault(`an error in a script: ${error.stack}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(origin) && !/^(data|blob):/.test(request.url())) { fault(`a request for ${request.url()}`); }
  });
  page.on("requestfailed", (request) => fault(`failed: ${request.method()} ${request.url()}: ${request.failure()?.errorText}`));
  page.on("response", (response) => { if (response.status() >= 400) { fault(`${response.status()} for ${response.url()}`); } });
  return page;
}

export function noFaults(page) {
  require(page.faults.length === 0, `faults of the page:\n  ${page.faults.join("\n  ")}`);
}

// Labels, contrast, roles: the rules of WCAG 2 A and AA. The code runs in the page's own world through the debugger, which no
// policy of the page forbids.
export async function accessible(page, what) {
  await page.evaluate(axe);
  // Pictures behind their charts are not seen, but have thousands of elements.
  const { violations } = await page.evaluate(() => window.axe.run({ exclude: [["[data-picture][hidden]"]] }, {
    runOnly: ["wcag2a", "wcag2aa"], resultTypes: ["violations"],
  }));
  const lines = violations.flatMap((violation) => violation.nodes.slice(0, 4).map((node) => (
    `${violation.id}: ${node.target.join(" ")}: ${node.failureSummary.replace(/\s+/g, " ")}\n      ${node.html.slice(0, 160)}`)));
  require(lines.length === 0, `${what} is not accessible:\n  ${lines.join("\n  ")}`);
}

// The page itself never scrolls sideways; what is wider scrolls in its own frame.
export async function fits(page, what) {
  const { inner, wide } = await page.evaluate(() => ({
    inner: [document.documentElement.scrollWidth, window.innerWidth],
    wide: [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1)
      .map((one) => one.outerHTML.slice(0, 100)).slice(0, 5),
  }));
  require(inner[0] <= inner[1], `${what} is ${inner[0]} px wide in ${inner[1]} px: ${wide.join("\n  ")}`);
}

// Charts are drawn when they come near the window: pass over the whole page, and wait until each is there.
export async function drawAll(page) {
  await page.evaluate(async () => {
    for (let y = 0; y < document.body.scrollHeight; y += 800) {
      scrollTo({ top: y, behavior: "instant" });
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 10)));
    }
    scrollTo({ top: 0, behavior: "instant" });
  });
  await page.waitForFunction(() => [...document.querySelectorAll("figure[data-chart]")]
    .every((figure) => !figure.checkVisibility() || figure.querySelector(".chart canvas")), undefined, { timeout: 30_000 });
}

// The visible part of the horizontal axis of a panel, as ECharts has it.
export const extent = (figure, panel = 0) => figure.evaluate((one, index) => {
  const chart = window.echarts.getInstanceByDom(one.querySelector(".chart-canvas"));
  return chart.getModel().getComponent("xAxis", index).axis.scale.getExtent();
}, panel);

// Each step says how it went; one that fails does not keep the others from being tried.
export const failed = [];
export async function step(name, work) {
  const start = Date.now();
  try {
    const note = await work();
    console.log(`ok      ${name}${note ? `: ${note}` : ""} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  } catch (error) {
    // Where the browser is gone, that is told in a moment.
    if (/has been closed|crashed|new tab/.test(error.message)) { await new Promise((done) => setTimeout(done, 2_000)); }
    failed.push(name);
    console.log(`FAILED  ${name}\n${String(error.stack).replace(/^/gm, "        ")}`);
  }
}
export function conclude() {
  if (failed.length === 0) { return; }
  console.log(`${failed.length} checks failed:\n  ${failed.join("\n  ")}`);
  process.exitCode = 1;
}
