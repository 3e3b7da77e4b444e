// Puts the data of each plot (`<figure data-chart="...">`) on the page as a chart that can be zoomed and read point by point. The
// chart takes the picture's place; without this script, and in print, the picture stays.
(function () {
  "use strict";
  const { echarts, burstlabChartOption: options } = window;
  const { element, key, number } = options;
  const mostRows = 500; // Of a table of values; the files of the experiment hold all of them.
  const narrowest = 130; // Pixels from one parallel axis to the next, below which their names would be cut.
  const hasMouse = window.matchMedia("(pointer: fine)").matches;

  // What the reader has zoomed, hidden and opened, by figure: a live page replaces its figures, and this outlasts them.
  const kept = new Map();
  const views = new Map();

  function button(text, label, action) {
    const made = element("button", "", text);
    made.type = "button";
    if (label) { made.setAttribute("aria-label", label); made.title = label; }
    made.addEventListener("click", action);
    return made;
  }
  function titleOf(figure) {
    const titled = figure.matches("[aria-label]") ? figure : figure.querySelector("[aria-label]");
    return titled ? titled.getAttribute("aria-label") : "";
  }

  // ---- The table of values.
  function tableOf(view) {
    if (view.parallel) {
      const rows = view.groups.slice().reverse().flatMap(({ state, lines }) => lines.slice().reverse().map((line) => [
        ...line.values.map((value, dim) => (value === null ? "–" : view.scales[dim].label(view.scales[dim].place(value)))), state,
      ]));
      return { heads: [...view.parallel.axes.map((axis) => axis.name), "state"], rows };
    }
    const rows = [];
    let lower = false;
    for (const { panel, series } of view.drawn.filter(({ series }) => series.points)) {
      const { x, y } = panel.scales;
      const name = [panel.title, series.name].filter(Boolean).join(", ");
      series.points.forEach((point, index) => {
        const label = series.labels && series.labels[index] ? series.labels[index].replace(/\n/g, ", ") : "";
        const [at, value, low, high] = series.marks === "intervals" ? [y.label(y.place(point[3])), x.label(x.place(point[0])), point[1], point[2]]
          : series.marks === "band" ? [x.label(x.place(point[0])), "", point[1], point[2]]
            : [x.label(x.place(point[0])), y.label(y.place(point[1]))];
        lower = lower || low !== undefined;
        rows.push([name, at, value, low === undefined ? "" : number(low), high === undefined ? "" : number(high), label]);
      });
    }
    const { x, y } = view.panels[0];
    const swapped = view.panels[0].series.some((series) => series.marks === "intervals");
    const same = view.panels.every((panel) => panel.x.name === x.name && panel.y.name === y.name);
    const heads = ["series", ...(same ? (swapped ? [y.name || "row", x.name] : [x.name, y.name]) : ["x", "y"]), "lower", "upper", "label"];
    const used = heads.map((_, column) => rows.some((row) => row[column] !== "") && (lower || column < 3 || column > 4));
    return { heads: heads.filter((_, column) => used[column]), rows: rows.map((row) => row.filter((_, column) => used[column])) };
  }
  function fillTable(details, view, title) {
    const { heads, rows } = tableOf(view);
    const table = element("table");
    const head = table.createTHead().insertRow();
    for (const name of heads) {
      const cell = element("th", "", name || "value");
      cell.scope = "col";
      head.append(cell);
    }
    const body = table.createTBody();
    for (const row of rows.slice(0, mostRows)) {
      const line = body.insertRow();
      for (const text of row) { line.insertCell().textContent = text; }
    }
    const frame = element("div", "scroll");
    frame.tabIndex = 0;
    frame.setAttribute("role", "group");
    frame.setAttribute("aria-label", `Values of ${title || "this chart"}`);
    frame.append(table);
    if (rows.length > mostRows) { details.append(element("p", "", `The first ${number(mostRows)} of ${number(rows.length, 9)} rows.`)); }
    details.append(frame);
  }

  // ---- One chart.
  class View {
    constructor(figure, name) {
      this.name = name;
      this.json = figure.dataset.chart;
      this.data = options.read(JSON.parse(this.json));
      this.title = titleOf(figure);
      this.state = kept.get(name) || { hidden: new Set(), zoom: null, brushes: new Map(), open: false };
      kept.set(name, this.state);
      this.data.hidden = this.state.hidden;
      this.build(figure);
      this.draw();
      this.resizing = new ResizeObserver(() => {
        if (this.canvas.clientWidth && this.canvas.clientWidth !== this.width) { this.draw(); }
      });
      this.resizing.observe(this.canvas);
    }

    build(figure) {
      const svg = figure.querySelector("svg");
      this.box = element("div", "chart");
      if (this.title) { this.box.append(element("p", "chart-title", this.title)); }
      const bar = element("div", "chart-bar");
      this.legend = element("div", "chart-legend");
      bar.append(this.legend, this.zoomButtons());
      this.canvas = element("div", "chart-canvas");
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", (svg && svg.getAttribute("aria-label")) || this.title || "Chart");
      const frame = element("div", "chart-scroll");
      if (this.data.parallel) {
        this.canvas.style.minWidth = `${this.data.parallel.axes.length * narrowest}px`;
        frame.tabIndex = 0;
        frame.setAttribute("role", "group");
        frame.setAttribute("aria-label", `${this.title || "Chart"}, scrolls sideways`);
      }
      frame.append(this.canvas);
      const table = element("details", "chart-values");
      table.append(element("summary", "", "Values as a table"));
      const fill = () => {
        this.state.open = table.open;
        if (table.open && table.childElementCount === 1) { fillTable(table, this.data, this.title); }
      };
      table.addEventListener("toggle", fill);
      table.open = this.state.open;
      this.box.append(bar, frame, table);
      this.stand(figure);
    }

    // Takes the place of the picture of a figure, before its caption.
    stand(figure) {
      this.figure = figure;
      const svg = figure.querySelector("svg");
      // A plot with a narrow form has two pictures in one box.
      const own = svg && svg.parentElement !== figure ? svg.parentElement : svg;
      this.picture = figure.querySelector(".pictures") || own;
      if (this.picture) {
        this.picture.dataset.picture = "";
        this.picture.after(this.box);
        this.picture.hidden = true;
      } else {
        figure.prepend(this.box);
      }
      views.set(figure, this);
    }

    zoomButtons() {
      const buttons = element("div", "chart-zoom");
      buttons.setAttribute("role", "group");
      buttons.setAttribute("aria-label", "Zoom");
      this.reset = button("Reset", "Show everything again", () => {
        this.state.zoom = null;
        this.state.brushes.clear();
        this.draw();
        this.in?.focus();
      });
      if (!this.data.parallel) {
        const how = hasMouse ? " (or drag a box, or turn the wheel with Ctrl)" : "";
        this.in = button("+", `Zoom in${how}`, () => this.zoomBy(0.25, 0.75));
        this.out = button("−", "Zoom out", () => this.zoomBy(-0.5, 1.5));
        this.left = button("‹", "Move left", () => this.zoomBy(-0.25, 0.75));
        this.right = button("›", "Move right", () => this.zoomBy(0.25, 1.25));
        buttons.append(this.in, this.out, this.left, this.right);
      }
      buttons.append(this.reset);
      return buttons;
    }

    fillLegend(theme) {
      this.legend.textContent = "";
      const entries = new Map();
      if (this.data.parallel) {
        const colours = { done: theme.accent, pruned: theme.muted, failed: theme.dark ? "#e5b062" : "#9a5b00" };
        for (const { state, lines } of this.data.groups.slice().reverse()) {
          entries.set(state, { marks: "line", dashed: state === "failed", shown: colours[state], text: `${state} (${number(lines.length, 9)})` });
        }
      } else {
        for (const { series } of this.data.drawn) {
          if (series.name && !entries.has(series.name)) { entries.set(series.name, { ...series, shown: options.onPaper(series.colour, theme), text: series.name }); }
        }
        if (this.data.drawn.length < 2) { return; }
      }
      for (const [name, { marks, dashed, shown, text }] of entries) {
        const toggle = button(text, "", () => {
          const hide = !this.state.hidden.has(name);
          this.state.hidden[hide ? "add" : "delete"](name);
          toggle.setAttribute("aria-pressed", String(!hide));
          this.chart.dispatchAction({ type: hide ? "legendUnSelect" : "legendSelect", name });
        });
        toggle.prepend(key(marks, dashed, shown));
        toggle.setAttribute("aria-pressed", String(!this.state.hidden.has(name)));
        this.legend.append(toggle);
      }
    }

    draw() {
      this.width = this.canvas.clientWidth;
      const theme = options.pageColours();
      const { option, height } = options.option(this.data, this.width, theme);
      this.canvas.style.height = `${height}px`;
      if (this.chart) {
        this.chart.resize({ width: this.width, height });
      } else {
        this.chart = echarts.init(this.canvas, null, { renderer: "canvas", width: this.width, height });
        this.chart.on("datazoom", () => this.zoomed());
        this.chart.on("axisareaselected", ({ parallelAxisId, intervals }) => {
          this.state.brushes.set(parallelAxisId, intervals);
          this.showButtons([...this.state.brushes.values()].some((brushed) => brushed.length));
        });
      }
      option.legend.selected = Object.fromEntries([...this.state.hidden].map((name) => [name, false]));
      option.legend.data = [...new Set(option.series.map((series) => series.name))];
      // As many ticks after a zoom as before.
      this.counts = (option.xAxis || []).map((axis, index) => [(axis.axisLabel.customValues || []).length, option.grid[index].height / 50]);
      this.chart.setOption(option, { notMerge: true });
      this.fillLegend(theme);
      this.showButtons(false);
      for (const [parallelAxisId, intervals] of this.state.brushes) {
        this.chart.dispatchAction({ type: "axisAreaSelect", parallelAxisId, intervals });
      }
      if (this.data.parallel) { return; }
      if (this.state.zoom) { this.chart.dispatchAction({ type: "dataZoom", batch: this.state.zoom }); }
      // A finger that moves over the chart scrolls the page.
      if (hasMouse) { this.chart.dispatchAction({ type: "takeGlobalCursor", key: "dataZoomSelect", dataZoomSelectActive: true }); }
    }

    // The windows of the axes: dataZoomIndex, from and to as positions, and whether that is all of the axis.
    windows() {
      const ours = this.data.linked.length + this.data.panels.filter((panel) => panel.y.kind !== "category").length;
      return this.chart.getOption().dataZoom.slice(0, ours).map(({ startValue, endValue, start, end }, dataZoomIndex) => (
        { dataZoomIndex, startValue, endValue, all: start <= 0.001 && end >= 99.999 }));
    }

    // Moves the ends of the horizontal windows to shares of the windows as they are.
    zoomBy(from, to) {
      const batch = this.windows().slice(0, this.data.linked.length).map(({ dataZoomIndex, startValue, endValue }, index) => {
        const { low, high } = this.data.panels[this.data.linked[index][0]].scales.x;
        const size = endValue - startValue;
        const shift = Math.max(low - (startValue + from * size), 0) + Math.min(high - (startValue + to * size), 0);
        const moved = to - from === 1 ? shift : 0;
        return { dataZoomIndex, startValue: Math.max(low, startValue + from * size + moved), endValue: Math.min(high, startValue + to * size + moved) };
      });
      this.chart.dispatchAction({ type: "dataZoom", batch });
    }

    zoomed() {
      const windows = this.windows();
      const all = windows.every((one) => one.all);
      this.state.zoom = all ? null : windows.filter((one) => !one.all)
        .map(({ dataZoomIndex, startValue, endValue }) => ({ dataZoomIndex, startValue, endValue }));
      this.showButtons(!all);
      cancelAnimationFrame(this.ticking);
      this.ticking = requestAnimationFrame(() => this.chart.isDisposed() || this.chart.setOption(this.ticks(windows)));
    }

    // Ticks at round values of what is visible now.
    ticks(windows) {
      const { panels, linked } = this.data;
      let next = linked.length;
      const axes = { xAxis: [], yAxis: [] };
      panels.forEach((panel, index) => {
        const x = windows[linked.findIndex((group) => group.includes(index))];
        axes.xAxis.push(options.ticksFor(panel.scales.x, x.startValue, x.endValue, this.counts[index][0]));
        if (panel.y.kind === "category") { axes.yAxis.push({}); return; }
        const y = windows[next++];
        axes.yAxis.push(options.ticksFor(panel.scales.y, y.startValue, y.endValue, this.counts[index][1]));
      });
      return axes;
    }

    showButtons(changed) {
      for (const made of [this.left, this.right, this.out, this.reset]) { if (made) { made.hidden = !changed; } }
    }

    close() {
      this.resizing.disconnect();
      this.chart.dispose();
      this.box.remove();
      if (this.picture) { this.picture.hidden = false; }
    }
  }

  // ---- All charts of the page.
  function nameOf(figure) {
    const title = titleOf(figure);
    const alike = [...document.querySelectorAll("figure[data-chart]")].filter((other) => titleOf(other) === title);
    return figure.id || `${title} ${alike.indexOf(figure)}`;
  }
  const coming = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting || views.has(target)) { continue; }
      coming.unobserve(target);
      new View(target, nameOf(target));
    }
  }, { rootMargin: "400px" });
  function isNear(figure) {
    const { top, bottom, height } = figure.getBoundingClientRect();
    return height > 0 && figure.checkVisibility() && bottom > -400 && top < window.innerHeight + 400;
  }
  // A live page has new figures: a chart of the same data moves into the new one, and one that was there is drawn at once, so
  // that the picture does not flash up.
  function refresh(within) {
    const gone = new Map();
    for (const [figure, view] of [...views]) {
      if (figure.isConnected && figure.dataset.chart === view.json) { continue; }
      views.delete(figure);
      gone.set(view.name, view);
    }
    const fresh = [...(within || document).querySelectorAll("figure[data-chart]")].filter((figure) => !views.has(figure));
    const former = fresh.map((figure) => gone.get(nameOf(figure)));
    fresh.forEach((figure, index) => {
      if (former[index] && former[index].json === figure.dataset.chart && !figure.contains(former[index].box)) {
        gone.delete(former[index].name);
        former[index].stand(figure);
      }
    });
    for (const view of gone.values()) { view.close(); }
    fresh.forEach((figure, index) => {
      if (views.has(figure)) { return; }
      if (former[index] && isNear(figure)) { new View(figure, nameOf(figure)); } else { coming.observe(figure); }
    });
  }
  function redraw() {
    for (const view of views.values()) {
      // One that is hidden is drawn again when it is shown.
      if (view.canvas.clientWidth) { view.draw(); } else { view.width = 0; }
    }
  }
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  // app.js has replaced a part of the page.
  document.addEventListener("burstlab:replaced", () => refresh(document));
  window.burstlabCharts = { refresh };
  refresh(document);
})();
