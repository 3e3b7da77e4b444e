// What ECharts is asked to draw for the data of a plot (the JSON of src/report/plot/chart.rs). charts.js puts it on the page.
(function () {
  "use strict";
  const hasMouse = window.matchMedia("(pointer: fine)").matches;

  // ---- Elements. The page's security policy forbids styles in markup; properties that are set from here are allowed.
  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) { made.className = className; }
    if (text !== undefined) { made.textContent = text; }
    return made;
  }
  function key(marks, dashed, colour) {
    const shapes = { line: "", rule: "", band: "fill", bars: "fill", dots: "dot", intervals: "dot" };
    const made = element("span", `chart-key ${dashed ? "dashed" : shapes[marks]}`);
    made.style.borderTopColor = colour;
    if (shapes[marks]) { made.style.backgroundColor = colour; }
    return made;
  }

  // ---- Colours: those of the page, as the browser resolves them for the theme that is on.
  function pageColours() {
    const probe = element("span");
    document.body.append(probe);
    const colours = {};
    for (const name of ["paper", "ink", "muted", "rule", "soft", "accent"]) {
      probe.style.color = `var(--${name})`;
      colours[name] = getComputedStyle(probe).color;
    }
    probe.remove();
    const [red, green, blue] = colours.paper.match(/[\d.]+/g).map(Number);
    colours.dark = red + green + blue < 384;
    return colours;
  }
  // Series have colours for white paper. On dark paper the hue stays: pale fills become dark ones, and dark lines light ones.
  function onPaper(colour, theme) {
    if (!theme.dark) { return colour; }
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
    const most = Math.max(red, green, blue);
    const span = most - Math.min(red, green, blue);
    const light = most - span / 2;
    let hue = 0;
    if (span > 0) {
      hue = most === red ? (green - blue) / span : most === green ? 2 + (blue - red) / span : 4 + (red - green) / span;
    }
    const saturation = span === 0 ? 0 : span / (1 - Math.abs(2 * light - 1));
    // The darkest are black and the ink of the picture.
    if (light < 0.2) { return theme.ink; }
    const turned = light > 0.72 ? 1.12 - light * 0.96 : Math.max(light, 0.56);
    return `hsl(${Math.round(hue * 60)}, ${Math.round(saturation * (light > 0.72 ? 60 : 75))}%, ${Math.round(turned * 100)}%)`;
  }

  // ---- Numbers and axes.
  function number(value, digits) {
    if (value === null || value === undefined || !Number.isFinite(value)) { return "–"; }
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-4 || size >= 1e15)) { return Number(value.toPrecision(digits || 4)).toExponential().replace("e+", "e"); }
    const whole = Math.floor(Math.log10(size || 1)) + 1;
    return value.toLocaleString("en", { maximumSignificantDigits: Math.max(digits || 4, Math.min(whole, 15)) });
  }
  function time(milliseconds) {
    return new Date(milliseconds).toISOString().replace("T", " ").replace(/(:00)?\.000Z$/, "").replace("Z", "");
  }
  function steps(low, high, count) {
    const raw = (high - low) / Math.max(count, 1);
    const power = Math.pow(10, Math.floor(Math.log10(raw)));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999);
    const ticks = [];
    for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index++) {
      ticks.push(Number((index * step).toPrecision(12)));
    }
    // One or two ticks do not tell how far apart values lie.
    return ticks.length < 3 && count < 20 ? steps(low, high, Math.max(count, 1) * 1.6) : ticks;
  }
  function logTicks(low, high, count) {
    if (high - low >= 2 && (high - low) * 3 > count) { return steps(low, high, Math.min(count, high - low)).filter(Number.isInteger); }
    const marks = [];
    for (let decade = Math.floor(low); decade <= high; decade++) {
      for (const factor of [1, 2, 5]) { marks.push(decade + Math.log10(factor)); }
    }
    const inside = marks.filter((mark) => mark >= low - 1e-9 && mark <= high + 1e-9);
    if (inside.length >= 3) { return inside; }
    return steps(Math.pow(10, low), Math.pow(10, high), count).filter((value) => value > 0).map(Math.log10);
  }
  // Where values lie: ECharts gets positions, which are logarithms on an axis of logarithms and indices on one of categories.
  // It would put ticks only at powers of ten, and round values between two categories.
  function scaleOf(axis, values, padding, from) {
    const kind = axis.kind;
    const isWhole = values.every((value) => value === null || Number.isInteger(value));
    const place = (value) => {
      if (value === null || value === undefined) { return null; }
      return kind === "log" ? (value > 0 ? Math.log10(value) : null) : kind === "time" ? value * 1000 : value;
    };
    let low = Infinity;
    let high = -Infinity;
    for (const value of values) {
      const position = place(value);
      if (position !== null && Number.isFinite(position)) { low = Math.min(low, position); high = Math.max(high, position); }
    }
    if (low > high) { low = 0; high = 1; }
    if (kind === "category") {
      low = -0.5;
      high = axis.categories.length - 0.5;
    } else {
      const room = high > low ? (high - low) * padding : kind === "log" ? 0.3 : Math.abs(low) * 0.1 || 1;
      // Columns stand on their axis.
      if (!(from === 0 && low === 0)) { low -= room; }
      if (!(from === 0 && high === 0)) { high += room; }
    }
    const label = (position) => {
      if (kind === "category") { return axis.categories[Math.round(position)] ?? ""; }
      return kind === "log" ? number(Math.pow(10, position)) : kind === "time" ? time(position) : number(position, 6);
    };
    const ticks = (least, most, count) => {
      if (kind === "log") { return logTicks(least, most, count); }
      if (kind !== "category") {
        const found = steps(least, most, count);
        const whole = found.filter(Number.isInteger);
        // Between step 1 and step 2 there is nothing.
        return isWhole && whole.length > 0 ? whole : found;
      }
      const every = Math.max(1, Math.ceil((most - least) / Math.max(count, 1)));
      return axis.categories.map((_, index) => index).filter((index) => index % every === 0 && index >= least && index <= most);
    };
    return { axis, kind, place, low, high, label, ticks };
  }

  // ---- Marks: each kind of series as ECharts draws it.
  const ruler = document.createElement("canvas").getContext("2d");
  const font = { fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif", fontSize: 12 };
  function textWidth(text) {
    ruler.font = `${font.fontSize}px ${font.fontFamily}`;
    return ruler.measureText(text).width;
  }
  const marks = {
    line(series, { x, y }, colour) {
      return {
        type: "line",
        data: series.points.map((point) => [x.place(point[0]), y.place(point[1])]),
        showSymbol: series.points.length <= 40,
        symbol: "circle",
        symbolSize: 4,
        sampling: series.points.length > 4000 ? "lttb" : undefined,
        lineStyle: { color: colour, width: 1.8, type: series.dashed ? [5, 4] : "solid" },
      };
    },
    rule(series, { x, y }, colour) {
      const place = series.x === null ? y.place(series.y) : x.place(series.x);
      const ends = series.x === null ? [[x.low, place], [x.high, place]] : [[place, y.low], [place, y.high]];
      return { type: "line", data: ends, symbol: "none", silent: true, lineStyle: { color: colour, width: 1.2, type: "solid" } };
    },
    band(series, { x, y }, colour) {
      const data = series.points.map(([at, low, high]) => [x.place(at), y.place(low) ?? (low === null ? null : y.low), y.place(high)]);
      const runs = [[]];
      for (const point of data) {
        if (point.includes(null)) { runs.push([]); } else { runs[runs.length - 1].push(point); }
      }
      const polygon = (run, api) => ({
        type: "polygon",
        shape: { points: [...run.map((p) => api.coord([p[0], p[2]])), ...run.map((p) => api.coord([p[0], p[1]])).reverse()] },
        style: { fill: colour, opacity: 0.75 },
      });
      // One shape for all points: the first of them draws it.
      const renderItem = (params, api) => (params.dataIndexInside > 0 ? null
        : { type: "group", children: runs.filter((run) => run.length > 1).map((run) => polygon(run, api)) });
      return { type: "custom", data, encode: { x: 0, y: [1, 2] }, progressive: 0, silent: true, renderItem };
    },
    dots(series, { x, y }, colour) {
      const data = series.points.map((point) => [x.place(point[0]), y.place(point[1])]);
      return { type: "scatter", data, symbolSize: data.length > 400 ? 4 : 7, itemStyle: { color: colour, opacity: data.length > 100 ? 0.6 : 0.9 } };
    },
    bars(series, { x, y }, colour, panel) {
      // Series that fill the same categories stand beside each other.
      const beside = panel.series.filter((other) => other.marks === "bars" && other.width >= 1 && x.kind === "category");
      const shared = Math.max(beside.length, 1);
      const half = (x.kind === "category" ? 0.76 : 1) * series.width / 2 / shared;
      const shift = beside.includes(series) ? (2 * beside.indexOf(series) + 1 - shared) * half : 0;
      const foot = y.kind === "log" ? y.low : 0;
      const renderItem = (params, api) => {
        const middle = series.points[params.dataIndex][0] + shift;
        const [left, top] = api.coord([x.place(middle - half), api.value(1)]);
        const [right, bottom] = api.coord([x.place(middle + half), foot]);
        const gap = right - left > 5 && x.kind !== "category" ? 1 : 0;
        const shape = { x: left, y: Math.min(top, bottom), width: Math.max(right - left - gap, 1), height: Math.abs(bottom - top) };
        return { type: "rect", shape, style: { fill: colour, opacity: 0.85 } };
      };
      const data = series.points.map((point) => [x.place(point[0]), y.place(point[1])]);
      return { type: "custom", data, encode: { x: 0, y: 1 }, progressive: 0, renderItem };
    },
    intervals(series, { x, y }, colour) {
      const data = series.points.map(([at, low, high, row]) => [x.place(at), x.place(low), x.place(high), y.place(row)]);
      const renderItem = (params, api) => {
        const [from, to, dot] = [1, 2, 0].map((dimension) => api.coord([api.value(dimension), api.value(3)]));
        const line = { x1: from[0], y1: from[1], x2: to[0], y2: to[1] };
        return {
          type: "group",
          children: [
            { type: "line", shape: line, style: { stroke: colour, lineWidth: 2 } },
            // Nothing to see, but something to point at.
            { type: "line", shape: line, style: { stroke: colour, lineWidth: 14, opacity: 0 } },
            { type: "circle", shape: { cx: dot[0], cy: dot[1], r: 4.5 }, style: { fill: colour } },
          ],
        };
      };
      return { type: "custom", data, encode: { x: [0, 1, 2], y: 3 }, progressive: 0, renderItem };
    },
  };
  function values(panel, of) {
    return panel.series.flatMap((series) => {
      if (series.marks === "rule") { return [series[of]]; }
      if (of === "x" && series.marks === "bars") { return series.points.flatMap(([x]) => [x - series.width / 2, x + series.width / 2]); }
      const columns = { band: { x: [0], y: [1, 2] }, intervals: { x: [0, 1, 2], y: [3] } }[series.marks] || { x: [0], y: [1] };
      const found = series.points.flatMap((point) => columns[of].map((column) => point[column]));
      return of === "y" && series.marks === "bars" ? [...found, 0] : found;
    });
  }

  // ---- Tooltips.
  const rowOf = (series, index, { x, y }) => {
    const point = series.points[index];
    if (series.labels && series.labels[index]) { return series.labels[index]; }
    const name = series.name || y.axis.name;
    if (series.marks === "band") { return `${name}: ${number(point[1])} to ${number(point[2])}`; }
    if (series.marks === "intervals") { return `${name}: ${number(point[0])} (${number(point[1])} to ${number(point[2])})`; }
    return `${name}: ${y.kind === "category" ? y.label(point[1]) : number(point[1])}`;
  };
  function tipRow(tip, text, series, theme) {
    const row = element("p", series ? "" : "head");
    if (series) { row.append(key(series.marks, series.dashed, onPaper(series.colour, theme))); }
    row.append(text);
    tip.append(row);
  }
  // What every line, band and column says at the x nearest to the pointer.
  function tipAt(position, panels, hidden, theme) {
    const tip = element("div", "chart-tip");
    for (const panel of panels) {
      const shown = panel.series.filter((series) => series.points && series.marks !== "intervals" && !hidden.has(series.name));
      let nearest = Infinity;
      for (const series of shown) {
        for (const point of series.points) {
          const at = panel.scales.x.place(point[0]);
          if (at !== null && Math.abs(at - position) < Math.abs(nearest - position)) { nearest = at; }
        }
      }
      if (nearest === Infinity) { continue; }
      if (panel.title) { tipRow(tip, panel.title); }
      tipRow(tip, `${panel.scales.x.axis.name}: ${panel.scales.x.label(nearest)}`);
      let rows = 0;
      for (const series of shown) {
        series.points.forEach((point, index) => {
          if (panel.scales.x.place(point[0]) !== nearest) { return; }
          rows += 1;
          if (rows <= 12) { tipRow(tip, rowOf(series, index, panel.scales), series, theme); }
        });
      }
      if (rows > 12) { tipRow(tip, `and ${rows - 12} more`); }
    }
    return tip;
  }

  // ---- The chart as ECharts' option.
  function axisStyle(theme) {
    return {
      axisLine: { show: true, onZero: false, lineStyle: { color: theme.muted } },
      axisLabel: { color: theme.muted, ...font, hideOverlap: true },
      nameTextStyle: { color: theme.muted, ...font },
      axisTick: { show: true, lineStyle: { color: theme.muted } },
      splitLine: { show: true, lineStyle: { color: theme.rule } },
    };
  }
  const dates = {
    year: "{yyyy}", month: "{MMM} {yyyy}", day: "{d} {MMM}", hour: "{HH}:{mm}", minute: "{HH}:{mm}", second: "{HH}:{mm}:{ss}",
    millisecond: "{HH}:{mm}:{ss}",
  };
  function ticksFor(scale, low, high, count) {
    if (scale.kind === "time") { return { axisLabel: { formatter: dates }, axisTick: {} }; }
    const customValues = scale.ticks(low, high, count);
    return { axisLabel: { customValues, formatter: (position) => scale.label(position) }, axisTick: { customValues } };
  }
  function base(theme) {
    return {
      animation: false,
      backgroundColor: "transparent",
      textStyle: { ...font, color: theme.ink },
      useUTC: true,
      tooltip: { confine: true, transitionDuration: 0, backgroundColor: theme.paper, borderColor: theme.muted, textStyle: { ...font, color: theme.ink } },
      legend: { show: false },
    };
  }
  // Names below columns stand at an angle where they would run into each other.
  const longestName = 150;
  function columnSlant({ x }, width) {
    const longest = Math.min(Math.max(0, ...x.categories.map(textWidth)), longestName);
    const slanted = longest > (width - 60) / Math.max(x.categories.length, 1) - 6;
    return slanted ? { slanted, below: longest * 0.65 + 16, left: longest * 0.77 - 24 } : { slanted, below: 20, left: 0 };
  }
  function panelsOption(view, width, theme) {
    const { panels } = view;
    const option = { ...base(theme), grid: [], xAxis: [], yAxis: [], series: [], title: [], dataZoom: [] };
    const rowNames = panels.filter((panel) => panel.y.kind === "category").flatMap((panel) => panel.y.categories);
    const widest = Math.min(Math.max(0, ...rowNames.map(textWidth)) + 2, width * 0.38);
    const tickNames = (scale) => scale.ticks(scale.low, scale.high, 5).map(scale.label);
    const slants = panels.map((panel) => columnSlant(panel, width));
    const left = 14 + Math.max(widest, ...slants.map((slant) => slant.left), ...panels.flatMap(({ scales: { y } }) => (y.kind === "category" ? [0] : tickNames(y).map(textWidth))));
    const right = 18;
    let top = 0;
    panels.forEach((panel, index) => {
      const { x, y } = panel.scales;
      const lines = Math.max(1, ...panel.y.categories.map((name) => Math.ceil(textWidth(name) / widest)));
      const plot = y.kind === "category" ? panel.y.categories.length * Math.max(24, 15 * lines + 9) : panels.length > 1 ? 190 : width < 500 ? 250 : 320;
      const { slanted, below } = slants[index];
      const head = [panel.title, y.kind === "category" ? "" : panel.y.name].filter(Boolean);
      option.title.push({
        text: head[0] || "", subtext: head[1] || "", left: 2, top: top + 4, padding: 0, itemGap: 2,
        textStyle: { ...font, lineHeight: 17, color: panel.title ? theme.ink : theme.muted, fontWeight: panel.title ? 600 : 400, width: width - 8, overflow: "truncate" },
        subtextStyle: { ...font, lineHeight: 17, color: theme.muted, width: width - 8, overflow: "truncate" },
      });
      top += head.length * 19 + 10;
      option.grid.push({
        left, right, top, height: plot, outerBoundsMode: "none",
        tooltip: { show: true, trigger: panel.series.some(({ marks: kind }) => /line|band|bars/.test(kind)) ? "axis" : "item" },
      });
      const common = axisStyle(theme);
      for (const [name, scale, count] of [["x", x, slanted ? (width - left) / 26 : Math.max(2, (width - left) / 90)], ["y", y, y.kind === "category" ? Infinity : plot / 50]]) {
        const ticks = ticksFor(scale, scale.low, scale.high, count);
        const wrap = name === "y" ? { width: widest, overflow: "break", lineHeight: 15 } : slanted ? { rotate: 40, width: longestName, overflow: "truncate", hideOverlap: false } : {};
        option[`${name}Axis`].push({
          ...common, gridIndex: index, type: scale.kind === "time" ? "time" : "value", min: scale.low, max: scale.high,
          inverse: name === "y" && scale.kind === "category", name: name === "x" ? panel.x.name : "",
          nameLocation: "middle", nameGap: below + 6,
          axisLabel: { ...common.axisLabel, ...(scale.kind === "category" ? wrap : {}), ...ticks.axisLabel },
          axisTick: { ...common.axisTick, ...ticks.axisTick },
          splitLine: { ...common.splitLine, show: scale.kind !== "category" && (name === "y" || y.kind === "category") },
          // The pointer's own label would repeat the tooltip.
          axisPointer: { show: name === "x", label: { show: false }, lineStyle: { color: theme.muted } },
        });
      }
      panel.series.forEach((series, order) => {
        const colour = onPaper(series.colour, theme);
        option.series.push({
          name: series.name || `\u0000${index} ${order}`, xAxisIndex: index, yAxisIndex: index, z: 2 + order, clip: true,
          itemStyle: { color: colour }, emphasis: { disabled: true }, ...marks[series.marks](series, panel.scales, colour, panel),
        });
      });
      top += plot + below + (panel.x.name ? 24 : 8) + 10;
    });
    for (const linked of view.linked) {
      option.dataZoom.push({ type: "inside", xAxisIndex: linked, filterMode: "none", zoomOnMouseWheel: hasMouse ? "ctrl" : true, moveOnMouseMove: false });
    }
    option.axisPointer = { link: view.linked.map((linked) => ({ xAxisIndex: linked })) };
    const numeric = panels.map((_, index) => index).filter((index) => panels[index].y.kind !== "category");
    for (const index of numeric) {
      option.dataZoom.push({ type: "inside", yAxisIndex: [index], filterMode: "none", zoomOnMouseWheel: false, moveOnMouseMove: false });
    }
    const most = Math.max(...panels.flatMap((panel) => panel.series.map((series) => (series.points || []).length)));
    if (view.linked.length === 1 && most > 200 && panels[0].x.kind !== "category") {
      option.dataZoom.push({
        type: "slider", xAxisIndex: view.linked[0], filterMode: "none", left, right, top, height: 18, showDetail: false, brushSelect: false,
        borderColor: theme.rule, fillerColor: theme.dark ? "rgba(91, 181, 234, .2)" : "rgba(0, 114, 178, .12)", showDataShadow: false,
        handleStyle: { color: theme.paper, borderColor: theme.muted }, moveHandleStyle: { color: theme.muted }, moveHandleSize: 4,
      });
      top += 34;
    }
    // The box that zooms is a tool of the toolbox, which has to be there, unseen.
    option.toolbox = { itemSize: 0, top: -40, showTitle: false, feature: { dataZoom: { filterMode: "none", yAxisIndex: numeric.length ? numeric : "none" } } };
    option.tooltip.formatter = (params) => {
      if (Array.isArray(params)) {
        const under = [...new Set(params.map((param) => view.drawn[param.seriesIndex].panel))];
        return tipAt(params[0].axisValue, under, view.hidden, theme);
      }
      const { panel, series } = view.drawn[params.seriesIndex];
      const tip = element("div", "chart-tip");
      if (!series.labels || !series.labels[params.dataIndex]) {
        const [scale, column] = series.marks === "intervals" ? [panel.scales.y, 3] : [panel.scales.x, 0];
        const value = scale.label(scale.place(series.points[params.dataIndex][column]));
        tipRow(tip, scale.kind === "category" ? value : `${scale.axis.name}: ${value}`);
      }
      tipRow(tip, rowOf(series, params.dataIndex, panel.scales), series, theme);
      return tip;
    };
    return { option, height: top };
  }

  // Best last, so that it lies on top: lower is better on the last axis.
  function lineGroups(parallel) {
    const score = (line) => line.values[line.values.length - 1] ?? Infinity;
    const sorted = [...parallel.lines].sort((a, b) => score(b) - score(a));
    return ["failed", "pruned", "done"].map((state) => ({ state, lines: sorted.filter((line) => line.state === state) }))
      .filter((group) => group.lines.length);
  }
  function parallelOption(view, width, theme) {
    const { axes } = view.parallel;
    const last = axes.length - 1;
    const option = { ...base(theme), parallelAxis: [], series: [] };
    const room = (width - 60) / axes.length;
    option.parallel = { left: room / 2, right: room / 2 + 30, top: 56, bottom: 66, parallelAxisDefault: axisStyle(theme) };
    const { scales, groups } = view;
    scales.forEach((scale, dim) => {
      const ticks = ticksFor(scale, scale.low, scale.high, scale.kind === "category" ? 20 : 6);
      option.parallelAxis.push({
        dim, id: `axis ${dim}`, type: scale.kind === "time" ? "time" : "value", min: scale.low, max: scale.high, inverse: scale.kind === "category",
        name: axes[dim].name, nameLocation: scale.kind === "category" ? "start" : "end", nameGap: 12,
        nameTextStyle: { ...font, color: theme.ink, fontWeight: dim === last ? 600 : 400, width: room - 8, overflow: "break", lineHeight: 15 },
        axisLabel: {
          color: theme.ink, ...font, width: room - 16, overflow: "truncate", textBorderColor: theme.paper, textBorderWidth: 3, ...ticks.axisLabel,
        },
        axisTick: ticks.axisTick,
        areaSelectStyle: { width: 22, color: theme.accent, borderColor: theme.accent, opacity: 0.25 },
      });
    });
    const looks = {
      done: { width: 1.6, opacity: 0.85 },
      pruned: { width: 1, opacity: 0.45, color: theme.muted },
      failed: { width: 1.2, opacity: 0.8, color: theme.dark ? "#e5b062" : "#9a5b00", type: [5, 4] },
    };
    for (const { state, lines } of groups) {
      const data = lines.map((line) => ({ value: line.values.map((value, dim) => scales[dim].place(value)) }));
      option.series.push({
        type: "parallel", name: state, data, lineStyle: looks[state], inactiveOpacity: 0.04, activeOpacity: 0.9, z: 2 + option.series.length,
        emphasis: { lineStyle: { width: 3, opacity: 1 } }, progressive: 0,
      });
    }
    const done = groups.find((group) => group.state === "done");
    const scores = done ? done.lines.map((line) => scales[last].place(line.values[last])).filter((score) => score !== null).sort((a, b) => a - b) : [];
    if (scores.length > 1) {
      // From the best to the ninth tenth: a few trials that went astray would leave one colour for all others.
      const least = scores[0];
      const most = scores[Math.floor((scores.length - 1) * 0.9)];
      const range = theme.dark ? ["#d5efff", "#5bb5ea", "#2f6d98", "#43515e"] : ["#08345c", "#0072b2", "#6fb1d6", "#b9c6d0"];
      option.visualMap = {
        type: "continuous", dimension: last, seriesIndex: option.series.length - 1, min: least, max: most > least ? most : least + 1e-9,
        inRange: { color: range }, outOfRange: { color: range[3] }, orient: "horizontal", left: "center", bottom: 4, itemHeight: 160, itemWidth: 12,
        text: [`${scales[last].label(most)} or more`, `best ${scales[last].label(least)}`], textStyle: { ...font, color: theme.muted },
        hoverLink: false,
      };
    }
    option.tooltip.formatter = (params) => {
      const tip = element("div", "chart-tip");
      tipRow(tip, groups[params.seriesIndex].lines[params.dataIndex].label);
      return tip;
    };
    return { option, height: 420 };
  }

  // The data of a plot with what is derived from them once: scales, names, and which panels share an axis.
  function read(chart) {
    const view = { panels: chart.panels, parallel: chart.parallel, hidden: new Set(), drawn: [], linked: [] };
    if (chart.parallel) {
      view.scales = chart.parallel.axes.map((axis, dim) => scaleOf(axis, chart.parallel.lines.map((line) => line.values[dim]), 0.03));
      view.groups = lineGroups(chart.parallel);
      return view;
    }
    const shared = new Map();
    chart.panels.forEach((panel, index) => {
      const columns = panel.series.some((series) => series.marks === "bars");
      panel.scales = { x: scaleOf(panel.x, values(panel, "x"), columns ? 0 : 0.02), y: scaleOf(panel.y, values(panel, "y"), 0.06, columns ? 0 : undefined) };
      for (const series of panel.series) { view.drawn.push({ panel, series }); }
      const axis = JSON.stringify(panel.x);
      shared.set(axis, [...(shared.get(axis) || []), index]);
    });
    view.linked = [...shared.values()];
    // What zooms together also has one extent, or equal positions would not be below each other.
    for (const linked of view.linked) {
      const scales = linked.map((index) => chart.panels[index].scales.x);
      const [low, high] = [Math.min(...scales.map((scale) => scale.low)), Math.max(...scales.map((scale) => scale.high))];
      for (const scale of scales) { scale.low = low; scale.high = high; }
    }
    return view;
  }
  const option = (view, width, theme) => (view.parallel ? parallelOption : panelsOption)(view, width, theme);
  window.burstlabChartOption = { read, option, ticksFor, pageColours, onPaper, number, element, key };
})();
