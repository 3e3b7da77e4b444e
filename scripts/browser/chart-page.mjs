// A page with one chart of each kind, served under the dashboard's security policy: `node chart-page.mjs` prints its address.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

export const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:";
const assets = process.env.ASSETS ? new URL(`file://${process.env.ASSETS}/`) : new URL("../../src/web/dashboard/assets/", import.meta.url);
const escape = (text) => text.replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;");

const axis = (name, kind = "value", categories = []) => ({ name, kind, categories });
const wave = (count, height) => Array.from({ length: count }, (_, at) => Math.sin(at / 9) * height + height + (at % 7) * height * 0.05);
const start = 1_700_000_000;
const one = (title, x, y, series) => ({ panels: [{ title, x, y, series }], parallel: null });

function forecast() {
  const x = axis("time (UTC)", "time");
  const at = (index) => start + index * 300;
  const actual = wave(300, 40).map((y, index) => [at(index), index > 120 && index < 126 ? null : y]);
  const lines = (factor) => [
    { name: "90 % interval", colour: "#bfdcec", marks: "band", points: actual.map(([t, y]) => [t, y === null ? null : y * factor - 12, y === null ? null : y * factor + 14]) },
    { name: "actual", colour: "#1f2933", marks: "line", dashed: false, points: actual },
    { name: "lstm lookback=20 learning_rate=0.001 hidden=64", colour: "#0072b2", marks: "line", dashed: false, points: actual.map(([t, y]) => [t, y === null ? null : y * factor]) },
    { name: "persistence", colour: "#d55e00", marks: "line", dashed: true, points: actual.map(([t, y]) => [t, y === null ? null : y + 6]) },
    { name: "", colour: "#586470", marks: "rule", x: at(200), y: null },
  ];
  return {
    panels: [
      { title: "requests", x, y: axis("requests per window"), series: lines(0.95) },
      { title: "output tokens", x, y: axis("tokens per window"), series: lines(1.05) },
    ],
    parallel: null,
  };
}

function skill() {
  const rows = ["lstm lookback=20 learning_rate=0.001 hidden=64 layers=2", "dlinear", "gru hidden=32", "moving_average", "persistence"];
  const points = rows.map((_, row) => [0.21 - row * 0.05, 0.18 - row * 0.06, 0.26 - row * 0.04, row]);
  return one("", axis("skill against the best baseline"), axis("", "category", rows), [
    { name: "", colour: "#586470", marks: "rule", x: 0, y: null },
    { name: "models", colour: "#0072b2", marks: "intervals", points: points.slice(0, 3), labels: points.slice(0, 3).map((point, row) => `${rows[row]}\nskill ${point[0]}`) },
    { name: "baselines", colour: "#86919c", marks: "intervals", points: points.slice(3), labels: [] },
  ]);
}

function search() {
  const trials = Array.from({ length: 60 }, (_, trial) => [trial + 1, 1.4 - Math.log(trial + 2) * 0.1 + ((trial * 37) % 11) * 0.03]);
  let best = Infinity;
  const history = trials.map(([trial, score]) => [trial, (best = Math.min(best, score))]);
  return one("", axis("trial"), axis("validation MAE, s"), [
    { name: "trials", colour: "#86919c", marks: "dots", points: trials, labels: trials.map(([trial, score]) => `trial ${trial}: ${score.toFixed(3)}`) },
    { name: "best so far", colour: "#0072b2", marks: "line", dashed: false, points: history },
  ]);
}

function rates() {
  const points = Array.from({ length: 150 }, (_, at) => [10 ** (-4 + (at % 50) / 25), 1 + ((at * 13) % 17) / 20]);
  return one("", axis("learning_rate", "log"), axis("MAE", "log"), [
    { name: "done", colour: "#0072b2", marks: "dots", points, labels: [] },
    { name: "pruned", colour: "#a0aab4", marks: "dots", points: points.map(([x, y]) => [x * 1.2, y * 1.6]).slice(0, 40), labels: [] },
  ]);
}

function columns() {
  const hours = wave(24, 30).map((y, hour) => [hour, y]);
  const width = 1;
  return {
    panels: [
      { title: "Arrivals by hour", x: axis("hour of the day"), y: axis("requests"), series: [{ name: "requests", colour: "#80b9d9", marks: "bars", points: hours, width }] },
      {
        title: "Coefficients", x: axis("", "category", ["request tokens", "response tokens", "inter-arrival time", "hour of the day", "day of the week", "lag 1", "lag 24"]),
        y: axis("importance"),
        series: [["importance", "#009e73", 1], ["without the search", "#d55e00", 0.7]].map(([name, colour, share]) => (
          { name, colour, marks: "bars", points: [0.4, 0.2, 0.15, 0.1, 0.08, -0.05, 0.02].map((y, x) => [x, y * share]), width })),
      },
    ],
    parallel: null,
  };
}

function many() {
  const points = Array.from({ length: 20_000 }, (_, at) => [at, Math.sin(at / 400) * 5 + ((at * 7919) % 100) / 50]);
  return one("", axis("window"), axis("error, s"), [
    { name: "errors", colour: "#cc79a7", marks: "line", dashed: false, points },
    { name: "zero", colour: "#000000", marks: "rule", x: null, y: 0 },
  ]);
}

function parallel() {
  const models = ["lstm", "gru", "dlinear"];
  const states = (at) => (at % 9 === 4 ? "pruned" : at % 13 === 6 ? "failed" : "done");
  const lines = Array.from({ length: 80 }, (_, at) => {
    const rate = 10 ** (-4 + ((at * 17) % 40) / 20);
    const score = states(at) === "failed" ? null : 1.1 + Math.abs(Math.log10(rate) + 3) * 0.3 + (at % 3) * 0.1;
    return { label: `trial ${at}\nlearning_rate ${rate.toPrecision(3)}`, values: [at % 3, rate, 8 + ((at * 5) % 56), score], state: states(at) };
  });
  const axes = [axis("model", "category", models), axis("learning_rate", "log"), axis("hidden"), axis("validation MAE")];
  return { panels: [], parallel: { axes, lines } };
}

export const charts = {
  Forecasts: forecast(), Skill: skill(), "Search history": search(), "Learning rate": rates(), Columns: columns(), "Many points": many(),
  "Parallel coordinates": parallel(),
};

const picture = (title) => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 300" width="100%" role="img" aria-label="${title} as a picture">
  <rect width="880" height="300" fill="#eee"/><text x="40" y="60">${title}, as a picture</text></svg>`;
const figures = Object.entries(charts).map(([title, chart], index) => `<section ${index === 1 ? 'id="later" hidden' : ""}>
  <figure data-chart="${escape(JSON.stringify(chart))}"><div class="scroll" tabindex="0" role="group" aria-label="${title}">${picture(title)}</div>
  <figcaption>What ${title} shows.</figcaption></figure></section>`);
const page = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Charts</title><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/report.css"><link rel="stylesheet" href="/charts.css"></head><body><main><h1>Charts</h1>${figures.join("")}</main>
<script src="/echarts.min.js"></script><script src="/chart-option.js"></script><script src="/charts.js"></script></body></html>`;
const files = { "/report.css": "../../../report/report.css", "/charts.css": "charts.css", "/echarts.min.js": "echarts.min.js", "/chart-option.js": "chart-option.js", "/charts.js": "charts.js" };

export async function serve() {
  const server = createServer(async (request, response) => {
    response.setHeader("content-security-policy", POLICY);
    if (request.url === "/") { response.setHeader("content-type", "text/html; charset=utf-8").end(page); return; }
    const file = files[request.url];
    if (!file) { response.writeHead(request.url === "/favicon.ico" ? 204 : 404).end(); return; }
    response.setHeader("content-type", file.endsWith("css") ? "text/css" : "text/javascript");
    response.end(await readFile(new URL(file, assets)));
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return `http://127.0.0.1:${server.address().port}/`;
}
if (process.argv[1] === fileURLToPath(import.meta.url)) { console.log(await serve()); }
