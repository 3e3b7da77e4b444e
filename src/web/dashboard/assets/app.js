// The frame of the dashboard: pages that change while they are open, and a choice of colours that lasts.
// It runs before the other scripts, which change the page, and so knows the page as the server sent it.
(function () {
  "use strict";
  var root = document.documentElement;
  var page = document.getElementById("page");

  // The reader's choice of light or dark holds for all pages; where nothing can be kept it holds for this one.
  function kept() { try { return localStorage.getItem("burstlab-theme"); } catch (refused) { return null; } }
  function keep(theme) { try { localStorage.setItem("burstlab-theme", theme); } catch (refused) { return; } }
  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }
  if (kept()) { root.dataset.theme = kept(); }
  function addToggle() {
    var toggle = document.createElement("button");
    function paint() {
      toggle.textContent = isDark() ? "Light" : "Dark";
      toggle.setAttribute("aria-label", "Switch to " + (isDark() ? "light" : "dark") + " colours");
    }
    toggle.type = "button";
    toggle.id = "theme";
    toggle.addEventListener("click", function () {
      root.dataset.theme = isDark() ? "light" : "dark";
      keep(root.dataset.theme);
      paint();
      document.dispatchEvent(new CustomEvent("burstlab:theme"));
    });
    paint();
    // The script of reports makes one of its own, which forgets the choice on the next page.
    document.querySelectorAll("#theme").forEach(function (other) { other.remove(); });
    document.querySelector("header.bar").append(toggle);
  }

  // The parts of the page as the server sent them. Only those that differ from what it sends later are replaced, so that
  // what the reader chose, opened or zoomed elsewhere stays.
  function blocks(container) {
    return ["header", "main"].map(function (name) {
      var part = container.querySelector(":scope > " + name);
      return Array.prototype.slice.call(part.children);
    });
  }
  function texts(parts) {
    return parts.map(function (part) { return part.map(function (block) { return block.outerHTML; }); });
  }
  var shown = blocks(page);
  var sources = texts(shown);
  var keyed = shown.map(keys);
  var isHeld = false;
  // Puts blocks in their order; one that stays in its place keeps the focus.
  function insert(part, next) {
    Array.prototype.slice.call(part.children).forEach(function (child) {
      if (next.indexOf(child) < 0) { child.remove(); }
    });
    var at = part.firstElementChild;
    next.forEach(function (block) {
      if (block === at) { at = at.nextElementSibling; } else { part.insertBefore(block, at); }
    });
  }
  // What a block is, whatever its content: its id, or else its kind with its title, and which of those it is.
  function keys(part) {
    var seen = {};
    return part.map(function (block) {
      var title = /^H[1-6]$/.test(block.tagName) ? block : block.querySelector("summary, h2, h3, label > span");
      var key = block.id || block.tagName + " " + (block.getAttribute("action") || "") + " "
        + (title ? title.textContent : "");
      seen[key] = (seen[key] || 0) + 1;
      return key + " " + seen[key];
    });
  }
  function isEdited(block) {
    var isForm = block.matches("form[method=post]");
    var fields = block.querySelectorAll(isForm ? "input, textarea" : "form[method=post] input, form[method=post] textarea");
    return Array.prototype.some.call(fields, function (field) { return field.value !== field.defaultValue; });
  }
  function replace(sent) {
    var next = blocks(sent);
    var nextSources = texts(next);
    var changed = [];
    ["header", "main"].forEach(function (name, index) {
      var part = page.querySelector(":scope > " + name);
      var isSame = sources[index].length === next[index].length;
      var known = keyed[index];
      var nextKeys = keys(next[index]);
      var used = [];
      next[index].forEach(function (block, at) {
        var own = isSame ? at : known.indexOf(nextKeys[at]);
        var old = shown[index][own];
        used.push(own);
        if (old && sources[index][own] === nextSources[index][at]) {
          next[index][at] = old;
          return;
        }
        // What the reader is at stays as it is until the reader leaves it, and what the reader wrote until it is saved.
        var isAt = old && old.contains(document.activeElement);
        if (isAt || old && isEdited(old)) {
          next[index][at] = old;
          nextSources[index][at] = sources[index][own];
          isHeld = isHeld || isAt;
          return;
        }
        next[index][at] = document.importNode(block, true);
        changed.push(next[index][at]);
        if (isSame) { old.replaceWith(next[index][at]); }
      });
      shown[index].forEach(function (old, own) {
        if (used.indexOf(own) < 0 && isEdited(old)) {
          next[index].push(old);
          nextSources[index].push(sources[index][own]);
          nextKeys.push(known[own]);
        }
      });
      keyed[index] = nextKeys;
      if (!isSame) { insert(part, next[index]); }
    });
    shown = next;
    sources = nextSources;
    if (changed.length) {
      // report.js gives the new parts their behaviour.
      if (window.burstlabPage) { changed.forEach(function (block) { window.burstlabPage.enliven(block); }); }
      document.dispatchEvent(new CustomEvent("burstlab:replaced", { detail: { blocks: changed } }));
    }
  }

  var RETRY = 2000;
  var live = document.getElementById("live");
  var version = document.body.dataset.version;
  var supervised;
  var failed = false;
  var loading = false;
  var again = false;
  var timer = 0;
  function tell(text, isFault) {
    live.textContent = text;
    live.classList.toggle("fault", isFault);
  }
  function load() {
    if (loading) { again = true; return; }
    loading = true;
    clearTimeout(timer);
    // What may pass is tried again; what this page asks for wrongly it will ask for wrongly again.
    var retry = RETRY;
    fetch(location.href).then(function (answer) {
      retry = answer.status >= 400 && answer.status < 500 ? 0 : 1000 * Number(answer.headers.get("retry-after")) || RETRY;
      return answer.text().then(function (text) {
        var sent = new DOMParser().parseFromString(text, "text/html");
        var told = sent.querySelector("[role=alert]");
        if (!answer.ok) { throw new Error(told ? told.textContent : "The dashboard answers with status " + answer.status + "."); }
        if (!sent.getElementById("page")) { throw new Error("The answer is not a page of the dashboard."); }
        version = sent.body.dataset.version;
        document.title = sent.title;
        page.dataset.staleMs = sent.getElementById("page").dataset.staleMs || "";
        replace(sent.getElementById("page"));
        if (failed) { failed = false; tell("", false); }
        wait();
      });
    }).catch(function (error) {
      failed = true;
      tell(error.message, true);
      if (retry) { timer = setTimeout(load, retry); }
    }).finally(function () {
      loading = false;
      if (again) { again = false; load(); }
    });
  }
  // A page that takes long to compute is not computed at each change; the server says when it is worth asking again.
  function wait() {
    clearTimeout(timer);
    if (page.dataset.staleMs) { timer = setTimeout(load, Number(page.dataset.staleMs)); }
  }
  // A browser opens few connections to one server: a page that nobody looks at gives its own back, and is told what it has
  // missed when somebody does again.
  function listen(address) {
    var stream = null;
    function open() {
      if (stream || document.hidden) { return; }
      stream = new EventSource(address);
      stream.addEventListener("message", function (event) {
        var news = JSON.parse(event.data);
        tell(news.running > 0 ? news.done + " of " + news.total + " runs, " + news.running + " running" : "", false);
        // Where a supervisor was killed, the store and so its version stay as they are.
        var isNews = news.version !== version || supervised !== undefined && news.supervised !== supervised;
        supervised = news.supervised;
        if (isNews) { load(); }
      });
      stream.addEventListener("fault", function (event) { tell(event.data, true); });
      stream.addEventListener("error", function () { tell("The dashboard does not answer; trying again.", true); });
      stream.addEventListener("open", function () { tell("", false); });
    }
    function close() {
      if (stream) { stream.close(); }
      stream = null;
    }
    document.addEventListener("visibilitychange", function () {
      if (document.hidden) { close(); } else { open(); }
    });
    window.addEventListener("pagehide", close);
    window.addEventListener("pageshow", open);
    open();
  }
  document.addEventListener("DOMContentLoaded", function () {
    addToggle();
    wait();
    document.addEventListener("focusout", function () {
      if (isHeld) { isHeld = false; setTimeout(load, 100); }
    });
    if (document.body.dataset.events && window.EventSource) { listen(document.body.dataset.events); }
  });
})();
