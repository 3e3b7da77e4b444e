// Every kind of chart on a page with the dashboard's security policy: `node charts.mjs SCREENSHOT_FOLDER`.
import { mkdir } from "node:fs/promises";
import { charts, serve } from "./chart-page.mjs";
import { accessible, close, conclude, drawAll, extent, fits, launch, noFaults, open, require, step } from "./harness.mjs";

const folder = process.argv[2];
await mkdir(folder, { recursive: true });
const address = await serve();
const browser = await launch();
const pages = [];
async function start(options) {
  const page = await open(browser, address, options);
  pages.push(page);
  await page.goto(address);
  return page;
}
const of = (page, title) => page.locator("figure", { has: page.locator(`[aria-label="${title}"]`) });
async function overChart(page, figure, across = 0.5, down = 0.4) {
  const canvas = figure.locator(".chart-canvas");
  await canvas.scrollIntoViewIfNeeded();
  const box = await canvas.boundingBox();
  await page.mouse.move(box.x + box.width * across - 3, box.y + box.height * down);
  await page.mouse.move(box.x + box.width * across, box.y + box.height * down);
  return box;
}
const tip = (figure) => figure.locator(".chart-tip").innerText();
// A pixel of the first canvas, to see that something is drawn there.
const ink = (figure) => figure.evaluate((one) => {
  const canvas = one.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let at = 0; at < data.length; at += 4) { if (data[at + 3] > 200) { seen.add(`${data[at]},${data[at + 1]},${data[at + 2]}`); } }
  return seen.size;
});

try {
  const page = await start({});
  await step("a chart takes the place of each picture, and a hidden one when it is shown", async () => {
    await drawAll(page);
    require(await page.locator("#later .chart").count() === 0, "a hidden figure has been drawn");
    await page.evaluate(() => { document.querySelector("#later").hidden = false; });
    await drawAll(page);
    const [drawn, pictures] = [await page.locator(".chart canvas").count(), await page.locator("figure svg:visible").count()];
    require(drawn === Object.keys(charts).length && pictures === 0, `${drawn} charts and ${pictures} pictures are shown`);
    for (const title of Object.keys(charts)) { require(await ink(of(page, title)) > 2, `${title} is empty`); }
  });
  await step("tooltips say what is under the pointer", async () => {
    const said = {};
    await overChart(page, of(page, "Forecasts"), 0.5, 0.25);
    said.Forecasts = await tip(of(page, "Forecasts"));
    require(/2023-11-1\d \d\d:\d\d/.test(said.Forecasts) && /90 % interval: .* to /.test(said.Forecasts) && /output tokens/.test(said.Forecasts),
      `both panels should speak: ${said.Forecasts}`);
    await overChart(page, of(page, "Columns"), 0.5, 0.25);
    said.Columns = await tip(of(page, "Columns"));
    require(/hour of the day: 1\d/.test(said.Columns), said.Columns);
    await overChart(page, of(page, "Search history"), 0.5, 0.4);
    said.history = await tip(of(page, "Search history"));
    require(/trial 3\d: 1\./.test(said.history) && /best so far: /.test(said.history), said.history);
    const place = (figure, series, value) => figure.evaluate((one, [name, point]) => {
      const chart = window.echarts.getInstanceByDom(one.querySelector(".chart-canvas"));
      return chart.convertToPixel({ gridIndex: 0 }, point);
    }, [series, value]);
    const skill = of(page, "Skill");
    await skill.scrollIntoViewIfNeeded();
    const [x, y] = await place(skill, "models", [0.21, 0]);
    const box = await skill.locator(".chart-canvas").boundingBox();
    await page.mouse.move(box.x + x + 12, box.y + y);
    await page.mouse.move(box.x + x + 2, box.y + y);
    said.skill = await tip(skill);
    require(/skill 0\.21/.test(said.skill), `the label of an interval: ${said.skill}`);
  });
  await step("a box, buttons and the wheel zoom; panels of one axis together; reset shows everything", async () => {
    const figure = of(page, "Forecasts");
    const whole = await extent(figure);
    const box = await overChart(page, figure, 0.3, 0.2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.3, { steps: 5 });
    await page.mouse.up();
    const [first, second] = [await extent(figure, 0), await extent(figure, 1)];
    require(first[1] - first[0] < (whole[1] - whole[0]) * 0.35, `a box of a fifth leaves ${first} of ${whole}`);
    require(Math.abs(first[0] - second[0]) < 1 && Math.abs(first[1] - second[1]) < 1, `the panels show ${first} and ${second}`);
    await figure.screenshot({ path: `${folder}/charts-zoomed.png` });
    await figure.getByRole("button", { name: "Show everything again" }).click();
    require(String(await extent(figure)) === String(whole), "reset does not show everything");
    await figure.getByRole("button", { name: /^Zoom in/ }).press("Enter");
    const closer = await extent(figure);
    require(Math.abs((closer[1] - closer[0]) / (whole[1] - whole[0]) - 0.5) < 0.02, `the button leaves ${closer} of ${whole}`);
    await figure.getByRole("button", { name: "Move right" }).press("Enter");
    require((await extent(figure))[0] > closer[0], "the button does not move");
    await figure.getByRole("button", { name: "Show everything again" }).click();
    await overChart(page, figure, 0.5, 0.2);
    await page.mouse.wheel(0, -200);
    require(String(await extent(figure)) === String(whole), "the wheel alone belongs to the page");
    await overChart(page, figure, 0.5, 0.2);
    await page.keyboard.down("Control");
    await page.mouse.wheel(0, -200);
    await page.keyboard.up("Control");
    await page.waitForTimeout(200);
    const wheeled = await extent(figure);
    require(wheeled[1] - wheeled[0] < whole[1] - whole[0], "Ctrl and the wheel do not zoom");
    await figure.getByRole("button", { name: "Show everything again" }).click();
  });
  await step("a series is hidden and shown", async () => {
    const figure = of(page, "Forecasts");
    const entry = figure.getByRole("button", { name: "persistence" });
    await entry.click();
    require(await entry.getAttribute("aria-pressed") === "false", "the button is not pressed out");
    await overChart(page, figure, 0.6, 0.25);
    require(!/persistence/.test(await tip(figure)), "the tooltip still has the hidden series");
  });
  await step("zoom and hidden series outlast a page that replaces its figures", async () => {
    const figure = of(page, "Forecasts");
    await figure.getByRole("button", { name: /^Zoom in/ }).click();
    const before = await extent(figure);
    await figure.locator(".chart-values summary").click();
    // First the same data, then one point more.
    for (const more of [false, true]) {
      await page.evaluate((grown) => {
        const old = document.querySelector("figure");
        const made = document.createElement("figure");
        const chart = JSON.parse(old.dataset.chart);
        if (grown) { chart.panels[0].series[3].points.push([1_700_000_000 + 300 * 305, 50]); }
        made.dataset.chart = JSON.stringify(chart);
        made.innerHTML = `<div class="scroll" tabindex="0" role="group" aria-label="Forecasts"><svg viewBox="0 0 9 9"></svg></div>`;
        old.replaceWith(made);
        window.burstlabCharts.refresh(made.parentElement);
      }, more);
      require(await of(page, "Forecasts").locator(".chart canvas").count() === 1, "the chart is not there at once");
      await drawAll(page);
      const after = await extent(of(page, "Forecasts"));
      require(Math.abs(after[0] - before[0]) < 1 && Math.abs(after[1] - before[1]) < 1, `zoomed to ${before}, then ${after}`);
      require(await of(page, "Forecasts").getByRole("button", { name: "persistence" }).getAttribute("aria-pressed") === "false", "shown again");
      require(await page.evaluate(() => document.querySelectorAll("figure canvas").length) === Object.keys(charts).length, "a chart is left behind");
    }
  });
  await step("values as a table", async () => {
    for (const title of Object.keys(charts)) {
      const details = of(page, title).locator(".chart-values");
      if (!await details.evaluate((one) => one.open)) { await details.locator("summary").click(); }
      // The rows are written after the browser has told that the table was opened.
      await details.locator("tbody tr").first().waitFor({ timeout: 5_000 });
      const rows = await details.locator("tbody tr").count();
      require(rows > 0 && rows <= 500, `${title}: ${rows} rows`);
    }
    require(/The first 500 of 20,000 rows/.test(await of(page, "Many points").locator(".chart-values").innerText()), "what is left out is not said");
    await of(page, "Skill").screenshot({ path: `${folder}/charts-table.png` });
  });
  await step("lines over parallel axes are narrowed by a brush", async () => {
    const figure = of(page, "Parallel coordinates");
    await figure.locator(".chart-canvas").scrollIntoViewIfNeeded();
    const axis = await figure.evaluate((one) => {
      const chart = window.echarts.getInstanceByDom(one.querySelector(".chart-canvas"));
      const layout = chart.getModel().getComponent("parallel").coordinateSystem.getAxisLayout("dim3");
      return layout.position;
    });
    const box = await figure.locator(".chart-canvas").boundingBox();
    await page.mouse.move(box.x + axis[0], box.y + 300);
    await page.mouse.down();
    await page.mouse.move(box.x + axis[0], box.y + 250, { steps: 5 });
    await page.mouse.up();
    const active = await figure.evaluate((one) => {
      const chart = window.echarts.getInstanceByDom(one.querySelector(".chart-canvas"));
      return chart.getModel().getSeriesByIndex(2).getRawIndicesByActiveState("active").length;
    });
    require(active > 0 && active < 60, `${active} lines are left`);
    await figure.screenshot({ path: `${folder}/charts-brushed.png` });
    await figure.getByRole("button", { name: "Show everything again" }).click();
  });
  await step("dark and light when the page's theme is switched", async () => {
    const colours = () => page.evaluate(() => window.echarts.getInstanceByDom(document.querySelector(".chart-canvas")).getOption().tooltip[0].backgroundColor);
    const light = await colours();
    await page.evaluate(() => { document.documentElement.dataset.theme = "dark"; });
    require(await colours() !== light, `the chart stays ${light}`);
  });
  for (const width of [1280, 400]) {
    await step(`read at ${width} px, light and dark`, async () => {
      const one = await start({ width });
      await one.evaluate(() => { document.querySelector("#later").hidden = false; });
      await drawAll(one);
      await fits(one, "the page of charts");
      const height = await one.evaluate(() => document.body.scrollHeight);
      for (const scheme of ["light", "dark"]) {
        await one.emulateMedia({ colorScheme: scheme });
        if ((width === 1280) === (scheme === "light")) { await accessible(one, `the page of charts in ${scheme}`); }
        for (let top = 0, part = 1; top < height; top += 3000, part++) {
          const clip = { x: 0, y: top, width, height: Math.min(3000, height - top) };
          await one.screenshot({ path: `${folder}/charts-${width}-${scheme}-${part}.png`, fullPage: true, clip });
        }
      }
    });
  }
  await step("without a script the pictures stand", async () => {
    const one = await start({ script: false });
    require(await one.locator("figure svg:visible").count() === Object.keys(charts).length - 1, "a picture is missing");
  });
  await step("in print the pictures stand", async () => {
    await page.emulateMedia({ media: "print" });
    const [pictures, drawn] = [await page.locator("figure svg:visible").count(), await page.locator(".chart canvas:visible").count()];
    require(pictures === Object.keys(charts).length && drawn === 0, `${pictures} pictures and ${drawn} charts`);
  });
  await step("the checks see what the policy refuses and what has no contrast", async () => {
    const one = await open(browser, address, {});
    await one.goto(address);
    await one.evaluate(() => { document.querySelector("main").innerHTML = "<p style='color: red'>red</p>"; });
    await one.waitForTimeout(100);
    require(one.faults.some((fault) => /Content Security Policy/.test(fault)), "an inline style went unseen");
    await one.evaluate(() => { document.querySelector("p").style.color = "#eee"; });
    const seen = await accessible(one, "a pale page").then(() => "nothing", (error) => error.message);
    require(/color-contrast/.test(seen), `axe-core sees ${seen}`);
  });
  await step("no error, no warning, no request elsewhere", () => pages.forEach(noFaults));
} finally {
  conclude();
  await close(browser);
}
process.exit();
