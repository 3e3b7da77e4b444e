"""Drives a headless Chromium over the DevTools protocol on a pipe; see check-report-browser.sh."""
import base64
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

browser, folder, *reports = sys.argv[1:]
if not reports:
    sys.exit("FAILED: no report was given")
pathlib.Path(folder).mkdir(parents=True, exist_ok=True)


def fail(message):
    sys.exit(f"FAILED: {message}")


def lost(what):
    """Ends the check with a code of its own (see browser/chromium.sh): nothing is known of the report."""
    print(what, flush=True)
    sys.exit(75)


# At the time limit, so that the profile is removed.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(124))


class Browser:
    """Chromium reads commands from its descriptor 3 and writes answers and events to 4, each ended by a zero byte."""

    def __init__(self, profile):
        to_browser, self.commands = os.pipe()
        self.answers, from_browser = os.pipe()

        def plumb():
            # The ends may lie on 3 and 4 already, the other way round: move them out of the way first.
            ours, theirs = os.dup(to_browser), os.dup(from_browser)
            os.dup2(ours, 3)
            os.dup2(theirs, 4)

        self.process = subprocess.Popen(
            [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}",
             "--remote-debugging-pipe"],
            close_fds=False, preexec_fn=plumb, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.buffer = b""
        self.events = []
        self.count = 0
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Network", "Log", "Inspector"]:
            self.call(f"{domain}.enable")

    def receive(self):
        while b"\0" not in self.buffer:
            piece = os.read(self.answers, 1 << 20)
            if not piece:
                lost("the browser ended")
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(message)
        if message.get("method") == "Inspector.targetCrashed":
            lost("the page crashed")
        return message

    def call(self, method, **params):
        self.count += 1
        command = {"id": self.count, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        try:
            os.write(self.commands, json.dumps(command).encode() + b"\0")
        except BrokenPipeError:
            lost("the browser ended")
        while True:
            message = self.receive()
            if message.get("id") == self.count:
                if "error" in message:
                    fail(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def wait_for(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())

    def open(self, path):
        self.events = [event for event in self.events if event.get("method") != "Page.loadEventFired"]
        self.call("Page.navigate", url=pathlib.Path(path).resolve().as_uri())
        self.wait_for("Page.loadEventFired")

    def evaluate(self, script):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            fail(f"{result['exceptionDetails']} in {script}")
        return result["result"].get("value")

    def resize(self, width):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)

    def screenshot(self, path):
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))


def require(holds, what):
    if not holds:
        fail(what)


COLUMN = """(() => {
  const table = document.querySelector('table[data-filter]');
  const heads = [...table.querySelectorAll('thead th')];
  const column = heads.findIndex(th => /^test /.test(th.textContent));
  return { column, values: [...table.tBodies[0].rows].map(row => parseFloat(row.cells[column].textContent)),
           sort: heads[column].getAttribute('aria-sort') };
})()"""
CLICK = "(() => { const c = %s.column; document.querySelectorAll('table[data-filter] thead th button')[c].click(); })()" % COLUMN
VISIBLE = "[...document.querySelector('table[data-filter]').tBodies[0].rows].filter(r => r.offsetParent !== null).length"
TOO_WIDE = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, pre, #tip, nav.contents'))
  .filter(e => e.getBoundingClientRect().right > %d + 1).map(e => e.outerHTML.slice(0, 80)).slice(0, 5)"""
# Plots with a narrow form of which not exactly one picture is shown, or one that is wider than the page.
CUT = """[...document.querySelectorAll('.pictures')].filter(pictures => pictures.offsetParent !== null).filter(pictures => {
  const shown = [...pictures.querySelectorAll('svg')].filter(svg => svg.getClientRects().length);
  return shown.length !== 1 || shown[0].getBoundingClientRect().right > %d; }).length"""
# Filled areas of plots, larger than a mark, that are nearly white.
GLARING = """(() => { const found = new Set();
  document.querySelectorAll('figure svg polygon, figure svg rect').forEach(e => {
    const box = e.getBBox(); if (box.width * box.height < 2000) return;
    const [r, g, b] = getComputedStyle(e).fill.match(/\\d+/g).map(Number);
    // Lines are areas too, and the scale of objectives ends in a bright yellow.
    const isPale = Math.max(r, g, b) - Math.min(r, g, b) < 100;
    if (isPale && 0.3 * r + 0.6 * g + 0.1 * b > 190) found.add(e.getAttribute('fill')); });
  return [...found] })()"""
COLOURS = """(() => { const of = (e, p) => getComputedStyle(e)[p]; const svg = document.querySelector('figure svg > rect');
  return [of(document.body, 'backgroundColor'), of(document.body, 'color'), svg ? of(svg, 'fill') : ''] })()"""


def check(tab, report, name):
    tab.events = []
    tab.resize(1280)
    tab.open(report)

    # Sorting: ascending, then descending, by the numbers in the cells.
    before = tab.evaluate(COLUMN)
    require(before["column"] > 0 and len(before["values"]) >= 2, f"{name}: no leaderboard with a test column")
    tab.evaluate(CLICK)
    up = tab.evaluate(COLUMN)
    require(up["sort"] == "ascending" and up["values"] == sorted(up["values"]), f"{name}: not ascending: {up}")
    tab.evaluate(CLICK)
    down = tab.evaluate(COLUMN)
    require(down["values"] == sorted(up["values"], reverse=True) and down["sort"] == "descending",
            f"{name}: not descending: {down}")

    # The contents name every section, and every plot stands before the first table.
    contents = tab.evaluate("[...document.querySelectorAll('nav.contents a')].map(a => a.textContent)")
    headings = tab.evaluate("[...document.querySelectorAll('main h2')].map(h => h.textContent)")
    require(contents == headings, f"{name}: the contents {contents} are not the sections {headings}")
    late = tab.evaluate("""(() => { const plots = [...document.querySelectorAll('figure')], first = document.querySelector('main table');
      return plots.filter(p => first.compareDocumentPosition(p) & Node.DOCUMENT_POSITION_FOLLOWING).length })()""")
    require(late == 0, f"{name}: {late} plots below a table of the sections")

    # Choosers: one item is shown, and another pick shows another one.
    chosen = tab.evaluate("""[...document.querySelectorAll('.chooser')].map(chooser => {
      const shown = () => [...chooser.querySelectorAll(':scope > details')].filter(d => d.offsetParent !== null).map(d => d.dataset.picks);
      const select = [...chooser.querySelectorAll('.picks select')].find(s => s.options.length > 1);
      const before = shown(); select.selectedIndex = (select.selectedIndex + 1) % select.options.length; select.dispatchEvent(new Event('change'));
      const after = shown(); const value = select.value; return [before, after, value] })""")
    for before, after, value in chosen:
        require(len(before) == len(after) == 1 and before != after and value in after[0], f"{name}: chose {value}: {before} to {after}")
    tab.open(report)
    tab.evaluate("document.querySelectorAll('.fold > input').forEach(box => { box.checked = true })")

    # Filtering: one row's own name leaves fewer rows, and clearing brings all of them back.
    rows = tab.evaluate(VISIBLE)
    word = tab.evaluate("document.querySelector('table[data-filter] tbody td').firstChild.textContent.trim().split(' ')[0]")
    typed = "(() => { const box = document.querySelector('.filter input'); box.value = %s; box.dispatchEvent(new Event('input')) })()"
    tab.evaluate(typed % json.dumps(word))
    left = tab.evaluate(VISIBLE)
    require(0 < left < rows, f"{name}: the filter `{word}` leaves {left} of {rows} rows")
    tab.evaluate(typed % json.dumps("no such model"))
    require(tab.evaluate(VISIBLE) == 0, f"{name}: a filter that nothing passes shows rows")
    tab.evaluate(typed % '""')
    require(tab.evaluate(VISIBLE) == rows, f"{name}: rows are lost after filtering")

    # Light and dark: the system's choice, and against it the button's.
    seen = {}
    for system in ["light", "dark"]:
        tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": system}])
        tab.open(report)
        first = tab.evaluate(COLOURS)
        if system == "dark":
            glaring = tab.evaluate(GLARING)
            require(not glaring, f"{name}: areas that stay light on dark paper: {glaring}")
        tab.evaluate("document.querySelector('#theme').click()")
        second = tab.evaluate(COLOURS)
        require(first != second, f"{name}: the button changes nothing under a {system} system")
        tab.screenshot(f"{folder}/{name}-1280-{'dark' if system == 'light' else 'light'}.png")
        seen[system] = (first, second)
    require(seen["light"] == tuple(reversed(seen["dark"])), f"{name}: the button's colours are not the system's: {seen}")
    tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])

    # A tooltip under a real pointer.
    tab.open(report)
    marks = tab.evaluate("document.querySelectorAll('figure svg .tips circle').length")
    require(marks > 0, f"{name}: no mark of a plot has a tooltip")
    place = tab.evaluate("""(() => { const mark = document.querySelector('figure svg .tips circle');
      mark.closest('figure').scrollIntoView({ block: 'center', behavior: 'instant' });
      const box = mark.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] })()""")
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])
    tip = tab.evaluate("(() => { const tip = document.querySelector('#tip'); return tip.hidden ? '' : tip.textContent })()")
    require(tip, f"{name}: no tooltip at {place}")

    # Widths: the page itself never scrolls sideways; what is wider scrolls in its own frame.
    for width in [1280, 400]:
        tab.resize(width)
        tab.open(report)
        # A phone widens its window to what is in it, so both are compared with what was asked for.
        wide = tab.evaluate(TOO_WIDE % width)
        inner = tab.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        require(max(inner) <= width, f"{name}: the page is {max(inner)} px wide in {width} px: {wide}")
        pictures = tab.evaluate("document.querySelectorAll('.pictures').length")
        require(pictures > 0, f"{name}: no plot has a form for phones")
        cut = tab.evaluate(CUT % width)
        require(cut == 0, f"{name}: {cut} plots with a form for phones do not fit {width} px")
        tab.screenshot(f"{folder}/{name}-{width}.png")

    # Readable without the script.
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(report)
    tab.call("Emulation.setScriptExecutionDisabled", value=False)
    root = tab.call("DOM.getDocument", depth=-1)["root"]
    text = tab.call("DOM.getOuterHTML", nodeId=root["nodeId"])["outerHTML"]
    require("id=\"leaderboard\"" in text and "<button" not in text, f"{name}: not readable without the script")

    for event in tab.events:
        params = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            url = params["request"]["url"]
            require(url.startswith(("file:", "data:")), f"{name}: a request for {url}")
        if event.get("method") == "Runtime.exceptionThrown":
            fail(f"{name}: {params['exceptionDetails']}")
        if event.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            fail(f"{name}: the console says {params['args']}")
        if event.get("method") == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            fail(f"{name}: the log says {params['entry']}")
    print(f"{name}: {len(contents)} sections, {len(chosen)} choosers, sorted, filtered ({left} of {rows} rows by `{word}`), {marks} tooltips, light and dark, 1280 and 400 px")


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    tab = Browser(profile)
    try:
        for report in reports:
            check(tab, report, pathlib.Path(report).resolve().parent.name)
    finally:
        tab.process.kill()
        tab.process.wait()
print("the reports pass in the browser")
