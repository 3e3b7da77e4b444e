// The dashboard as its readers use it: `node dashboard.mjs BURSTLAB SCREENSHOT_FOLDER`, with a results folder of its own.
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rename } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { accessible, close, conclude, drawAll, extent, fits, launch, noFaults, open, require, step } from "./harness.mjs";

const [burstlab, folder] = process.argv.slice(2);
// In the folder of this file, which is a copy for this check alone.
const results = await mkdtemp(fileURLToPath(new URL("results-", import.meta.url)));
process.env.BURSTLAB_RESULTS = results;
const experiment = fileURLToPath(new URL("live.toml", import.meta.url));
const processes = new Set();
process.on("exit", () => { for (const child of processes) { child.kill("SIGKILL"); } });
await mkdir(folder, { recursive: true });

// ---- Processes.
function start(...args) {
  const child = spawn(burstlab, args, { stdio: ["ignore", "pipe", "pipe"] });
  child.said = "";
  for (const stream of [child.stdout, child.stderr]) { stream.on("data", (data) => { child.said += data; }); }
  child.ended = new Promise((done) => child.on("exit", (code, signal) => { processes.delete(child); done(code ?? signal); }));
  processes.add(child);
  return child;
}
async function finish(child, what) {
  const code = await child.ended;
  require(code === 0, `${what} ends with ${code}: ${child.said.slice(-2000)}`);
}
async function address(server) {
  for (let waited = 0; waited < 10_000; waited += 50) {
    const found = server.said.match(/http:\/\/127\.0\.0\.1:\d+/);
    if (found) { return found[0]; }
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`burstlab ui says no address: ${server.said}`);
}

// ---- Pages.
const server = start("ui", "--port", "0");
const origin = await address(server);
const browser = await launch();
const pages = [];
async function visit(path, options) {
  const page = await open(browser, `${origin}/`, options);
  // A page that is left, and a file that is saved, end their request.
  page.allowed.push(/^failed: GET .*ERR_ABORTED/);
  pages.push(page);
  if (path) { await page.goto(origin + path); }
  return page;
}
const text = (page, selector) => page.locator(selector).first().innerText();
const column = (page, name) => page.evaluate((wanted) => {
  const table = document.querySelector("main table");
  const at = [...table.querySelectorAll("thead th")].findIndex((th) => th.textContent.trim() === wanted);
  return [...table.tBodies[0].rows].map((row) => row.cells[at].textContent.trim());
}, name);
const rising = (values) => values.every((value, at) => at === 0 || values[at - 1] <= value);

async function story() {
  await step("a results folder without a store gives a page that says so", async () => {
    const page = await visit(null, {});
    page.allowed.push(/^\d\d\d for |status of \d\d\d/);
    await page.goto(`${origin}/`);
    require(/run an experiment/.test(await text(page, "body")), `no remedy: ${await text(page, "body")}`);
    await page.screenshot({ path: `${folder}/no-store.png` });
    await page.context().close();
  });

  const sweep = start("run", experiment);
  const home = await visit(null, {});
  await step("a sweep of another process appears", async () => {
    for (let tries = 0; ; tries++) {
      home.allowed = [/./];
      await home.goto(`${origin}/`);
      if (await home.locator("main a[href='/experiments/live%401'], main a[href^='/experiments/live']").count()) { break; }
      require(tries < 100, `the sweep is not listed: ${await text(home, "body")}\n${sweep.said}`);
      await home.waitForTimeout(200);
    }
    home.allowed = [];
  });
  const live = await visit("/experiments/live", {});
  await step("its page goes live to its end without a reload", async () => {
    await live.evaluate(() => { window.sameDocument = true; });
    const progress = () => live.evaluate(() => document.querySelector("#page header progress")?.value ?? null);
    const seen = new Set();
    await live.waitForFunction(() => /\brunning\b/.test(document.querySelector("#page header").innerText), undefined, { timeout: 20_000 });
    await live.screenshot({ path: `${folder}/experiment-running.png` });
    while (processes.has(sweep)) {
      seen.add(await progress());
      await live.waitForTimeout(250);
    }
    await finish(sweep, "the sweep");
    seen.delete(null);
    require(seen.size >= 3, `the progress took the values ${[...seen]} only`);
    await live.waitForFunction(() => !document.querySelector("#page header progress"), undefined, { timeout: 15_000 });
    require(await live.evaluate(() => window.sameDocument === true), "the page was loaded anew");
    require(/\b50\b/.test(await text(live, "body")), "the page does not name its 50 runs");
    require(await live.locator("figure[data-chart]").count() > 3, "the page has no charts");
    return `progress ${[...seen].join(", ")}`;
  });
  await step("runs are sorted, filtered and shown by chosen columns; the address restores them", async () => {
    const page = await visit("/runs?experiment=live", {});
    await page.getByRole("link", { name: /^valid.*mse$/i }).first().click();
    await page.waitForURL(/sort=/);
    const heading = (await page.locator("main thead th[aria-sort]").innerText()).trim();
    const values = (await column(page, heading)).map(Number).filter(Number.isFinite);
    require(values.length > 10 && rising(values), `not sorted by ${heading}: ${values}`);
    await page.locator("form.filters select[name=model]").selectOption("lstm");
    await page.locator("form.filters input[name=where]").last().fill("hidden>10");
    await page.locator("form.filters summary").click();
    for (const name of ["run_id", "model", "learning_rate", "hidden", "status"]) {
      await page.locator("form.filters label.check", { hasText: new RegExp(`(^|\\.)${name}$`) }).locator("input").first().check();
    }
    await page.locator("form.filters button").first().click();
    await page.waitForURL(/model=lstm/);
    const models = new Set(await column(page, "model"));
    require([...models].join() === "lstm", `the filter shows ${[...models]}`);
    const shown = await page.locator("main table").innerText();
    const again = await visit(page.url().slice(origin.length), {});
    require(await again.locator("main table").innerText() === shown, "the address shows something else");
    await again.context().close();
    await page.screenshot({ path: `${folder}/runs-filtered.png` });
    return `${shown.split("\n").length - 1} rows`;
  });
  await step("two runs are compared", async () => {
    const page = await visit("/runs?experiment=live&model=lstm", {});
    for (const at of [0, 3]) { await page.locator("main table input[type=checkbox]").nth(at).check(); }
    await page.getByRole("button", { name: /compare/i }).click();
    await page.waitForURL(/\/compare\?.*of=.*of=/);
    require(/learning_rate|hidden|seed/.test(await text(page, "main")), "what differs is not shown");
    await page.screenshot({ path: `${folder}/compare-runs.png`, fullPage: true });
  });
  await step("a second revision is compared with the first", async () => {
    await finish(start("run", experiment, "--set", "training.epochs=2", "--set", "search.trials=9"), "the second revision");
    const page = await visit("/experiments/live", {});
    await page.getByRole("link", { name: /compare with revision 1/i }).click();
    await page.waitForURL(/\/compare\?/);
    require(/epochs/.test(await text(page, "main")), "the difference of the files is not shown");
  });
  await step("a chart is zoomed, a series hidden", async () => {
    await drawAll(live);
    const figure = live.locator("figure[data-chart]:visible", { has: live.locator(".chart-zoom button") })
      .filter({ has: live.locator(".chart-legend button") }).first();
    await figure.scrollIntoViewIfNeeded();
    const whole = await extent(figure);
    await figure.getByRole("button", { name: /^Zoom in/ }).click();
    const closer = await extent(figure);
    require(closer[1] - closer[0] < (whole[1] - whole[0]) * 0.6, `from ${whole} to ${closer}`);
    const entry = figure.locator(".chart-legend button").first();
    await entry.click();
    require(await entry.getAttribute("aria-pressed") === "false", "the series is still shown");
    await figure.screenshot({ path: `${folder}/experiment-zoomed.png` });
  });
  await step("another target and another step ahead are chosen", async () => {
    const chooser = live.locator(".chooser", { has: live.locator("figure[data-chart]") }).first();
    const changed = [];
    for (const select of await chooser.locator("select").all()) {
      if (await select.locator("option").count() < 2) { continue; }
      const before = await chooser.locator("figure:visible").first().getAttribute("data-chart");
      await select.selectOption({ index: 1 });
      await drawAll(live);
      const now = chooser.locator("figure:visible");
      require(await now.count() === 1, `${await now.count()} plots of the group are shown`);
      require(await now.first().getAttribute("data-chart") !== before, "the plot stays the same");
      require(await now.first().locator(".chart canvas").count() > 0, "the plot is not drawn");
      changed.push(await select.inputValue());
    }
    require(changed.length > 0, "no choice has two values");
    await chooser.screenshot({ path: `${folder}/experiment-chooser.png` });
    return changed.join(", ");
  });
  await step("a tag and a note are written", async () => {
    const page = await visit("/experiments/live", {});
    await page.locator("form[action='/tags'] input[name=tags]").fill("paper figure-3");
    await page.getByRole("button", { name: "Save tags" }).click();
    await page.waitForLoadState();
    await page.locator("form[action='/note'] textarea").fill("Few epochs <b>only</b>.");
    await page.getByRole("button", { name: "Save note" }).click();
    await page.waitForLoadState();
    await page.goto(`${origin}/`);
    const body = await text(page, "main");
    require(body.includes("figure-3") && body.includes("Few epochs <b>only</b>."), `not on the first page: ${body}`);
  });
  await step("SQL: a question, its chart, its file, and what is refused", async () => {
    const page = await visit("/sql", {});
    await page.locator("main .questions a").first().click();
    await page.waitForURL(/\/sql\?q=/);
    const run = page.getByRole("button", { name: "Run" });
    require(await page.locator("main table tbody tr").count() > 0, "the question has no rows");
    await page.locator("textarea").fill("select model, avg(wall_s) as wall_s, max(seed) as seed from runs where seed is not null group by model");
    await run.click();
    await page.waitForURL(/avg/);
    await drawAll(page);
    require(await page.locator("figure .chart canvas").count() > 0, "numbers beside names have no chart");
    await page.screenshot({ path: `${folder}/sql-answer.png`, fullPage: true });
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: /csv/i }).click()]);
    const saved = await readFile(await download.path(), "utf8");
    require(saved.split("\n").length > 2, `the file holds ${saved}`);
    page.allowed.push(/[?]q=delete/);
    await page.locator("textarea").fill("delete from run_records");
    await run.click();
    await page.waitForURL(/delete/);
    require(/read/.test(await text(page, "[role=alert]")), `not refused: ${await text(page, "main")}`);
    await page.screenshot({ path: `${folder}/sql-refused.png` });
    return saved.split("\n")[0];
  });
  await step("the button switches to dark", async () => {
    const paper = () => live.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await paper();
    await live.evaluate(() => scrollTo({ top: 0, behavior: "instant" }));
    await live.getByRole("button", { name: /dark/i }).click();
    require(await paper() !== light, "the page stays light");
    await live.screenshot({ path: `${folder}/experiment-switched-to-dark.png` });
    await live.reload();
  });
}

// The pages of the bar and one of each kind below them.
async function everyPage() {
  const page = await visit("/runs?experiment=live%401&model=lstm&sort=valid.mse", {});
  const runs = await page.locator("main table a[href^='/runs/']").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
  await page.goto(`${origin}/data`);
  const inspect = await page.locator("main a[href^='/data/inspect']").first().getAttribute("href");
  await page.context().close();
  const [one, other] = runs.map((href) => href.split("/").pop());
  return {
    experiments: "/", experiment: "/experiments/live%401", runs: "/runs", trials: "/trials/live%401", run: runs[0],
    "compare-empty": "/compare", "compare-runs": `/compare?of=${one}&of=${other}`, "compare-revisions": "/compare?of=live%401&of=live%402",
    "compare-history": "/compare?of=live%40all", data: "/data", inspect, sql: "/sql",
  };
}

async function tour() {
  const all = await everyPage();
  // The renderers of the browser work side by side.
  for (const [name, path] of Object.entries(all)) {
    await Promise.all([look(name, path, 1280), look(name, path, 400), readWithoutScript(name, path)]);
  }
}

// Light, then dark. The rules of accessibility are tried at each width and in each theme once.
const look = (name, path, width) => step(`${name} at ${width} px, light and dark`, async () => {
  const page = await visit(path, { width });
  await drawAll(page);
  await fits(page, path);
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.screenshot({ path: `${folder}/${name}-${width}-${scheme}.png`, fullPage: true });
    if ((width === 1280) === (scheme === "light")) { await accessible(page, `${path} in ${scheme}`); }
  }
  noFaults(page);
  await page.context().close();
});

const readWithoutScript = (name, path) => step(`${name} without a script`, async () => {
  const page = await visit(path, { script: false });
  const said = (await text(page, "main")).trim();
  require(said.length > 20, `nothing to read: ${said}`);
  const figures = page.locator("figure[data-chart]");
  if (await figures.count()) { require(await figures.locator("svg:visible").count() > 0, "no picture is shown"); }
  noFaults(page);
  await page.context().close();
});

// The names of what the tab key reaches, and those of them on which nothing shows that they have the focus.
async function tabs(page, most) {
  const reached = [];
  const unseen = [];
  for (let count = 0; count < most; count++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const one = document.activeElement;
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(one);
      const name = one.getAttribute("aria-label") || one.innerText || one.name || one.placeholder || "";
      return {
        what: `${one.tagName.toLowerCase()} ${name.trim().slice(0, 40)}`, place: one.closest("nav, form, .chart, table, figure, header, main, body").className,
        parent: one.closest("nav, form, .chart, table, figure, header, main, body").tagName.toLowerCase(), body: one === document.body,
        seen: (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none",
      };
    });
    if (at.body) { break; }
    reached.push(at);
    if (!at.seen) { unseen.push(`${at.what} in ${at.parent}.${at.place}`); }
  }
  return { reached, unseen };
}

async function keyboard() {
  for (const [path, wanted] of [
    ["/runs?experiment=live", [["nav", /^a /], ["form", /^(input|select) /], ["table", /^a /], ["table", /^input Select run/]]],
    ["/experiments/live", [["nav", /^a /], ["div", /^button (Zoom in|\+)/], ["div", /^summary/]]],
    ["/sql", [["nav", /^a /], ["form", /^textarea/], ["form", /^button/]]],
  ]) {
    await step(`the keyboard reaches what there is on ${path}`, async () => {
      const page = await visit(path, {});
      await drawAll(page);
      const { reached, unseen } = await tabs(page, 400);
      for (const [parent, name] of wanted) {
        require(reached.some((one) => one.parent === parent && name.test(one.what)), `no ${name} in a ${parent} among\n  ${reached.map((one) => `${one.parent}: ${one.what}`).join("\n  ")}`);
      }
      require(unseen.length === 0, `the focus cannot be seen on\n  ${[...new Set(unseen)].slice(0, 20).join("\n  ")}`);
      const first = reached.findIndex((one) => one.parent === "nav");
      const content = reached.findIndex((one) => /form|table|figure|div/.test(one.parent));
      require(first >= 0 && first < content, "the pages come after the content");
      noFaults(page);
      return `${reached.length} stops`;
    });
  }
}

async function gone() {
  await step("a store that goes away while a page is open gives a page that says so, and comes back", async () => {
    const page = await visit("/runs", {});
    page.allowed.push(/^5\d\d for |status of 5\d\d|^404 for |status of 404/);
    await rename(`${results}/burstlab.db`, `${results}/elsewhere.db`);
    await page.goto(`${origin}/runs`);
    require(/store|burstlab\.db/.test(await text(page, "body")), `it says: ${await text(page, "body")}`);
    await page.screenshot({ path: `${folder}/store-gone.png` });
    await rename(`${results}/elsewhere.db`, `${results}/burstlab.db`);
    await page.goto(`${origin}/runs`);
    require(await page.locator("main table tbody tr").count() > 0, "the runs do not come back");
  });
  await step("the server ends when it is asked to", async () => {
    server.kill("SIGTERM");
    const code = await Promise.race([server.ended, new Promise((done) => setTimeout(done, 5_000, "not within 5 s"))]);
    return `exit code ${code}`;
  });
}

try {
  await story();
  await tour();
  await keyboard();
  await step("no error, no warning, no request elsewhere", () => pages.forEach(noFaults));
  await gone();
} finally {
  conclude();
  await close(browser);
}
process.exit();
