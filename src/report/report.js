// The page's behaviour: choosers, tables that sort and filter, tooltips in plots, and a switch between light and dark.
(function () {
  "use strict";
  var root = document.documentElement;

  // Light or dark: the system's setting until the reader chooses.
  var toggle = document.createElement("button");
  var dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  function paint() {
    toggle.textContent = dark ? "Light" : "Dark";
    toggle.setAttribute("aria-label", "Switch to " + (dark ? "light" : "dark") + " colours");
  }
  toggle.type = "button";
  toggle.id = "theme";
  toggle.addEventListener("click", function () {
    dark = !dark;
    root.dataset.theme = dark ? "dark" : "light";
    paint();
  });
  paint();
  document.querySelector("header").prepend(toggle);

  // The first number of a cell; times are converted to seconds, and text that is not a number sorts last.
  function numeric(text) {
    var times = text.match(/^([\d.]+) (h|min|s)( ([\d.]+) (min|s))?$/);
    if (times) {
      var unit = { h: 3600, min: 60, s: 1 };
      return times[1] * unit[times[2]] + (times[3] ? times[4] * unit[times[5]] : 0);
    }
    var value = parseFloat(text.replace(/^[<≤≥±]\s*/, "").replace(/(\d),(?=\d{3})/g, "$1"));
    return isNaN(value) ? Infinity : value;
  }
  function sort(table, column, button) {
    var descending = button.parentNode.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("th").forEach(function (th) { th.removeAttribute("aria-sort"); });
    button.parentNode.setAttribute("aria-sort", descending ? "descending" : "ascending");
    var number = button.parentNode.classList.contains("n");
    var body = table.tBodies[0];
    var rows = Array.prototype.slice.call(body.rows);
    function key(row) { return row.cells[column].firstChild ? row.cells[column].firstChild.textContent.trim() : ""; }
    rows.sort(function (a, b) {
      var x = number ? numeric(key(a)) : key(a);
      var y = number ? numeric(key(b)) : key(b);
      // Missing values sort last in both directions.
      if (x === Infinity || y === Infinity) { return x === y ? 0 : x === Infinity ? 1 : -1; }
      return (x < y ? -1 : x > y ? 1 : 0) * (descending ? -1 : 1);
    });
    rows.forEach(function (row) { body.appendChild(row); });
  }
  function filterable(table) {
    var box = document.createElement("input");
    var count = document.createElement("span");
    var line = document.createElement("p");
    box.type = "search";
    box.placeholder = "Filter, e.g. dlinear";
    box.setAttribute("aria-label", "Filter the table");
    count.setAttribute("aria-live", "polite");
    line.className = "filter";
    line.append(box, count);
    box.addEventListener("input", function () {
      var words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      // Rows beyond the first ones are hidden until the reader asks for all; whoever filters does.
      var all = table.closest(".fold") && table.closest(".fold").querySelector("input[type=checkbox]");
      if (all && words.length) { all.checked = true; }
      var rows = table.tBodies[0].rows;
      var shown = 0;
      for (var i = 0; i < rows.length; i++) {
        var text = rows[i].textContent.toLowerCase();
        rows[i].hidden = !words.every(function (word) { return text.indexOf(word) >= 0; });
        shown += rows[i].hidden ? 0 : 1;
      }
      count.textContent = words.length ? shown + " of " + rows.length : "";
    });
    table.parentNode.before(line);
  }
  function sortable(table) {
    if (table.tBodies[0].rows.length < 2 || table.querySelector("thead th button")) { return; }
    table.querySelectorAll("thead th").forEach(function (th, column) {
      // A column without a name, such as that of the boxes, has no order.
      if (!th.textContent.trim()) { return; }
      var button = document.createElement("button");
      button.type = "button";
      button.append.apply(button, Array.prototype.slice.call(th.childNodes));
      button.addEventListener("click", function () { sort(table, column, button); });
      th.append(button);
    });
    if (table.hasAttribute("data-filter")) { filterable(table); }
  }

  // Choosers: of the items of one, the picked one is shown. Picks of one name, such as the setting, change in every chooser
  // that has the value.
  var choosers = [];
  // What the reader picked last, by its name: a part of the page that is replaced shows the same.
  var picked = {};
  function picksOf(item) { return JSON.parse(item.dataset.picks); }
  function show(chooser, item) {
    chooser.items.forEach(function (other) {
      other.open = other === item;
      other.hidden = other !== item;
    });
    picksOf(item).forEach(function (pick, index) { chooser.selects[index].value = pick[1]; });
    chooser.current = item;
  }
  // The item with the changed pick that agrees with the current one in most others; null where no item has the value.
  function nearest(chooser, name, value) {
    var current = picksOf(chooser.current);
    var best = null;
    var most = -1;
    chooser.items.forEach(function (item) {
      var picks = picksOf(item);
      if (!picks.some(function (pick) { return pick[0] === name && pick[1] === value; })) { return; }
      var same = picks.filter(function (pick, index) { return pick[1] === current[index][1]; }).length;
      if (same > most) { most = same; best = item; }
    });
    return best;
  }
  function pickIn(chooser, name, value) {
    var item = nearest(chooser, name, value);
    if (item) { show(chooser, item); }
  }
  function pick(name, value) {
    picked[name] = value;
    choosers.forEach(function (chooser) { pickIn(chooser, name, value); });
  }
  function choosable(element) {
    var items = Array.prototype.filter.call(element.children, function (child) { return child.matches("details"); });
    var chooser = { items: items, selects: [], current: items[0] };
    var line = document.createElement("div");
    line.className = "picks";
    picksOf(items[0]).forEach(function (first, index) {
      var label = document.createElement("label");
      var select = document.createElement("select");
      var values = [];
      items.forEach(function (item) {
        var value = picksOf(item)[index][1];
        if (values.indexOf(value) < 0) { values.push(value); select.append(new Option(value, value)); }
      });
      select.addEventListener("change", function () { pick(first[0], select.value); });
      label.append(first[0] + " ", select);
      label.hidden = values.length < 2;
      chooser.selects.push(select);
      line.append(label);
    });
    element.prepend(line);
    element.classList.add("ready");
    choosers.push(chooser);
    show(chooser, items[0]);
    Object.keys(picked).forEach(function (name) { pickIn(chooser, name, picked[name]); });
  }

  // Plots: the nearest mark to the pointer says what it is.
  var tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);
  function tellsMarks(svg) {
    var marks = Array.prototype.map.call(svg.querySelectorAll(".tips circle"), function (circle) {
      var title = circle.querySelector("title");
      var mark = { x: +circle.getAttribute("cx"), y: +circle.getAttribute("cy"), text: title.textContent };
      // The browser's own tooltip would come on top of this one.
      title.remove();
      return mark;
    });
    if (!marks.length) { return; }
    svg.addEventListener("pointermove", function (event) {
      var frame = svg.getBoundingClientRect();
      var scale = svg.viewBox.baseVal.width / frame.width;
      var x = (event.clientX - frame.left) * scale;
      var y = (event.clientY - frame.top) * scale;
      var nearest = null;
      var least = Math.pow(28 * scale, 2);
      marks.forEach(function (mark) {
        var distance = Math.pow(mark.x - x, 2) + Math.pow(mark.y - y, 2);
        if (distance < least) { least = distance; nearest = mark; }
      });
      tip.hidden = !nearest;
      if (!nearest) { return; }
      tip.textContent = nearest.text;
      var left = event.clientX + 14;
      if (left + tip.offsetWidth > root.clientWidth - 8) { left = event.clientX - tip.offsetWidth - 14; }
      tip.style.left = Math.max(8, left) + "px";
      tip.style.top = Math.max(8, event.clientY - tip.offsetHeight - 10) + "px";
    });
    svg.addEventListener("pointerleave", function () { tip.hidden = true; });
  }

  // The part of the contents that is being read.
  function followsContents(contents) {
    var links = Array.prototype.slice.call(contents.querySelectorAll("a"));
    var seen = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (!entry.isIntersecting) { return; }
        links.forEach(function (link) {
          if (link.hash === "#" + entry.target.getAttribute("aria-labelledby")) { link.setAttribute("aria-current", "true"); }
          else { link.removeAttribute("aria-current"); }
        });
      });
    }, { rootMargin: "-20% 0px -75% 0px" });
    document.querySelectorAll("main > section").forEach(function (section) { seen.observe(section); });
  }

  // Gives everything below an element its behaviour; a page whose content is replaced calls it again.
  function enliven(element) {
    choosers = choosers.filter(function (chooser) { return chooser.current.isConnected; });
    element.querySelectorAll(".scroll > table").forEach(sortable);
    element.querySelectorAll(".chooser:not(.ready)").forEach(choosable);
    element.querySelectorAll("figure svg").forEach(tellsMarks);
    element.querySelectorAll("nav.contents").forEach(followsContents);
  }
  window.burstlabPage = { enliven: enliven };
  enliven(document);
})();
