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
  var isHeld = false;
  function insert(part, next) {
    part.replaceChildren.apply(part, next);
  }
  function replace(sent) {
    var next = blocks(sent);
    var nextSources = texts(next);
    var changed = [];
    ["header", "main"].forEach(function (name, index) {
      var part = page.querySelector(":scope > " + name);
      var isSame = sources[index].length === next[index].length;
      next[index].forEach(function (block, at) {
        if (isSame && sources[index][at] === nextSources[index][at]) {
          next[index][at] = shown[index][at];
          return;
        }
        // What the reader is at stays as it is until the reader leaves it.
        if (isSame && shown[index][at].contains(document.activeElement)) {
          next[index][at] = shown[index][at];
          nextSources[index][at] = sources[index][at];
          isHeld = true;
          return;
        }
        next[index][at] = document.importNode(block, true);
        changed.push(next[index][at]);
        if (isSame) { shown[index][at].replaceWith(next[index][at]); }
      });
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

  var live = document.getElementById("live");
  var version = document.body.dataset.version;
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
    fetch(location.href).then(function (answer) {
      return answer.text().then(function (text) {
        var sent = new DOMParser().parseFromString(text, "text/html");
        if (!answer.ok) { throw new Error(sent.querySelector("[role=alert]").textContent); }
        version = sent.body.dataset.version;
        document.title = sent.title;
        page.dataset.staleMs = sent.getElementById("page").dataset.staleMs || "";
        replace(sent.getElementById("page"));
        wait();
      });
    }).catch(function (error) { tell(error.message, true); }).finally(function () {
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
        if (news.version !== version) { load(); }
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
