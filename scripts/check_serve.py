"""Asks `burstlab serve` as its clients do. Used by check-serve.sh, which trains the models."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

BURSTLAB = os.environ["BURSTLAB_BINARY"]
WORK = Path(os.environ["WORK"])
LOAD = Path("dataset/servegen/servegen-m-large-load.csv").read_text().splitlines(keepends=True)
LEVELS = ["0.025", "0.1", "0.25", "0.5", "0.75", "0.9", "0.975"]
running = []


def fail(message):
    sys.exit(f"FAILED: {message}")


class Server:
    def __init__(self, experiment, trace, *more, stdin=subprocess.DEVNULL):
        command = [BURSTLAB, "serve", "--experiment", experiment, "--trace", str(trace), "--port", "0", *more]
        self.process = subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        running.append(self.process)
        self.url = self.process.stdout.readline().strip().rstrip("/")
        if not self.url:
            fail(f"no address: {self.process.stderr.read()}")

    def curl(self, path, *more):
        """The status and the body, as curl has them."""
        command = ["curl", "-sS", "-w", "\n%{http_code}", *more, self.url + path]
        body, status = subprocess.check_output(command, text=True).rsplit("\n", 1)
        return int(status), body

    def forecast(self, path="/v1/forecast"):
        status, body = self.curl(path)
        if status != 200:
            fail(f"{path}: {status} {body}")
        return json.loads(body)

    def wait(self, meets, what):
        end = time.time() + 30
        while time.time() < end:
            status, body = self.curl("/v1/forecast")
            if status == 200 and meets(json.loads(body)):
                return json.loads(body)
            time.sleep(0.02)
        fail(f"no forecast with {what} within 30 s; the last is {body[:300]}")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(10) != 0:
            fail(f"it ended with {self.process.returncode}: {self.process.stderr.read()}")


def predicted(experiment, path, steps):
    command = [BURSTLAB, "predict", "--experiment", experiment, "--trace", str(path), "--format", "json"]
    return json.loads(subprocess.check_output([*command, "--steps", str(steps)]))


def check_same(served, whole, what):
    """JSON numbers come back to the bit from both, so they are compared as they are."""
    if served["last_s"] != whole["last_s"] or len(served["steps"]) != len(whole["steps"]):
        fail(f"{what}: another last step")
    compared = 0
    for own, other in zip(served["steps"], whole["steps"]):
        time_name = "start_s" if "start_s" in own else "arrival_s"
        pairs = [(own[time_name], other[time_name])]
        for target, point in own["points"].items():
            pairs.append((point, other[target]))
            for name, lower, upper in [("50", 2, 4), ("80", 1, 5), ("95", 0, 6)]:
                bounds = other[f"{target}_intervals"][name]
                quantiles = own["quantiles"][target]
                pairs += [(quantiles[LEVELS[lower]], bounds[0]), (quantiles[LEVELS[upper]], bounds[1])]
        if any(one != two for one, two in pairs):
            fail(f"{what}: {own} is not {other}")
        compared += len(pairs)
    return compared


def growing(experiment, rows, counts):
    """A file that grows, row by row and in blocks."""
    path = WORK / f"growing-{experiment}.csv"
    path.write_text("".join(rows[: counts[0]]))
    server = Server(experiment, path)
    compared, known = 0, 0
    server.wait(lambda forecast: True, "any step")
    for start, end in zip(counts, counts[1:]):
        with path.open("a") as file:
            file.writelines(rows[start:end])
        end_of_wait = time.time() + 30
        while f"burstlab_rows_total {end - 1}\n" not in server.curl("/metrics")[1]:
            if time.time() > end_of_wait:
                fail(f"{experiment}: row {end - 1} was not read within 30 s")
        served = server.forecast()
        compared += check_same(served, predicted(experiment, path, len(served["steps"])), experiment)
        known = served["known_steps"]
    print(f"{experiment}: {compared} numbers are those of predict, to the bit, after {known} steps of a growing file")
    return server, path


def free_port():
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return own.getsockname()[1]


class Prometheus:
    """A real one, which scrapes a server every second."""

    def __init__(self, server):
        port = free_port()
        folder = WORK / f"prometheus-{port}"
        folder.mkdir()
        target = server.url.removeprefix("http://")
        (folder / "prometheus.yml").write_text(
            f"global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{Path('docs/manifests/alerts.yml').resolve()}]\n"
            f"scrape_configs:\n  - job_name: burstlab\n    static_configs: [{{ targets: ['{target}'] }}]\n"
        )
        command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        command += [f"--web.listen-address=127.0.0.1:{port}"]
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        running.append(self.process)
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}{path}?{query}", timeout=5) as answer:
            return json.load(answer)["data"]

    def value(self, query, meets, what):
        """The only value of a query, once it meets a condition."""
        end, result = time.time() + 60, None
        while time.time() < end:
            try:
                result = self.ask("/api/v1/query", query=query)["result"]
            except OSError:
                result = None
            if result and len(result) > 1:
                fail(f"{query} has several values: {result}")
            if result and meets(float(result[0]["value"][1]), result[0]["metric"]):
                return float(result[0]["value"][1])
            time.sleep(0.2)
        fail(f"Prometheus: {query} is not {what} within a minute; the last is {result}")


def check_metrics(server):
    status, page = server.curl("/metrics")
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True)
    if status != 200 or checked.returncode != 0:
        fail(f"promtool: {checked.stdout}{checked.stderr}")
    offered = set(re.findall(r"^# TYPE (\w+)", page, re.M))
    text = "".join(path.read_text() for path in Path("docs/manifests").iterdir())
    wanted = set(re.findall(r"burstlab_[a-z_]+", text))
    if wanted - offered:
        fail(f"the manifests ask for {sorted(wanted - offered)}, which are not offered")
    samples = [line for line in page.splitlines() if not line.startswith("#")]
    print(f"promtool has nothing to say about {len(offered)} metrics with {len(samples)} values")


def check_prometheus():
    server, path = growing("servegen-capacity", LOAD, [1_801, 1_802, 1_803, 1_850, 1_900])
    check_metrics(server)
    prometheus = Prometheus(server)
    prometheus.value('up{job="burstlab"}', lambda value, _: value == 1, "1")
    for name, query in [
        ("KEDA", re.search(r"query: (.*)", Path("docs/manifests/keda-prometheus.yaml").read_text())[1]),
        ("replicas", "burstlab_replicas_wanted"),
    ]:
        wanted = server.forecast()["replicas"]["wanted"]
        prometheus.value(query, lambda value, _: value == wanted, wanted)
        print(f"Prometheus: {name} reads {query} = {wanted}")
    point = server.forecast()["steps"][1]["points"]["work_s"]
    query = 'burstlab_forecast{target="work_s",step="2"}'
    prometheus.value(query, lambda value, labels: value == point and labels["stale"] == "false", point)
    with path.open("a") as file:
        file.writelines(LOAD[1_900:1_910])
    served = server.wait(lambda forecast: forecast["known_steps"] == 1_909, "1,909 steps")
    point = served["steps"][1]["points"]["work_s"]
    prometheus.value(query, lambda value, _: value == point, point)
    target = prometheus.ask("/api/v1/targets")["activeTargets"][0]
    if target["health"] != "up" or target["lastError"]:
        fail(f"Prometheus: {target}")
    print(f"Prometheus: the target is {target['health']}, and its forecast follows the file")
    panel = json.loads(Path("docs/manifests/grafana-panel.json").read_text())
    for own in panel["targets"]:
        prometheus.value(own["expr"], lambda value, _: value == value, "a number")
    print(f"Prometheus: all {len(panel['targets'])} queries of the panel have a value")
    server.end()
    # The page of targets and the graph, for who wants to look at them.
    if os.environ.get("KEEP"):
        print(prometheus.url)
        time.sleep(float(os.environ["KEEP"]))
    prometheus.process.terminate()


def check_silence():
    path = WORK / "silent.csv"
    path.write_text("".join(LOAD[:1_001]))
    server = Server("servegen-capacity", path, "--stale-after", "10s")
    fresh = server.wait(lambda forecast: not forecast["stale"], "a fresh input")
    prometheus = Prometheus(server)
    prometheus.value("burstlab_stale", lambda value, _: value == 1, "1")
    stale = server.forecast()
    if not stale["stale"] or stale["source"] != "last_known":
        fail(f"a silent input is not said to be stale: {stale}")
    last = LOAD[1_000].split(",")
    if stale["last_known"]["requests"] != float(last[LOAD[0].strip().split(",").index("requests")]):
        fail(f"{stale['last_known']} is not the last row {last}")
    if any(step["points"] != stale["last_known"] for step in stale["steps"]):
        fail("the steps of a stale answer are not the last known load")
    if stale["replicas"]["wanted"] < fresh["replicas"]["wanted"]:
        fail("a silent input lets replicas go")
    query = 'max(burstlab_forecast{target="work_s",step="1",stale="true"})'
    prometheus.value(query, lambda value, _: value == stale["last_known"]["work_s"], "the last known work")
    with path.open("a") as file:
        file.writelines(LOAD[1_001:1_002])
    server.wait(lambda forecast: not forecast["stale"] and forecast["known_steps"] == 1_001, "a fresh input")
    server.end()
    prometheus.process.terminate()
    print(f"a silent input keeps {stale['replicas']['wanted']} replicas and is marked, in JSON and in Prometheus")


def check_posts():
    server = Server("servegen-capacity", "-")
    status, body = server.curl("/v1/forecast")
    if status != 503 or "missing_steps" not in body:
        fail(f"without rows: {status} {body}")
    block = WORK / "block.csv"
    block.write_text("".join(LOAD[:300]))
    status, body = server.curl("/v1/rows", "--data-binary", f"@{block}")
    if status != 200:
        fail(f"POST: {status} {body}")
    for number in range(300, 330):
        status, body = server.curl("/v1/rows", "--data-binary", LOAD[number].strip())
        if status != 200:
            fail(f"POST of line {number}: {status} {body}")
    before = server.forecast()
    bad = LOAD[330] + LOAD[331].replace(",", ",x", 1) + LOAD[332]
    status, body = server.curl("/v1/rows", "--data-binary", bad)
    fault = json.loads(body)
    if status != 400 or fault["line"] != 2 or fault["column"] != "requests":
        fail(f"a malformed row: {status} {body}")
    if server.forecast()["steps"] != before["steps"]:
        fail("rows of a refused request were taken in")
    path = WORK / "posted.csv"
    path.write_text("".join(LOAD[:330]))
    compared = check_same(server.forecast(), predicted("servegen-capacity", path, 2), "POST")
    server.end()
    print(f"rows by POST: {compared} numbers are those of predict; a malformed row says line {fault['line']}")


try:
    check_prometheus()
    check_silence()
    check_posts()
    if "AZURE" in os.environ:
        # A line of a growing file is complete with its end.
        rows = [row.rstrip("\r\n") + "\n" for row in Path(os.environ["AZURE"]).read_text().splitlines()]
        server, _ = growing("azure", rows, [10_000, 10_001, 10_002, 12_000, 15_000, len(rows)])
        server.end()
finally:
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()
print("serve passes")
