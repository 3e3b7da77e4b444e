"""How long the dashboard's pages take over a store that is there, such as that of check-large-store.sh (in BURSTLAB_RESULTS).

bench-pages.py BURSTLAB [--limit-ms 300] [--first-limit-ms 2500] [--requests 30] [--experiment NAME]

Starts `burstlab ui`, asks for each page some times over one connection, and prints a table: the first request after the start,
the median, the 95th percentile and the largest of the others. Fails if the 95th percentile of a page is above the limit, or its first
request above a limit of its own. The first one is the quickest of three starts, since the machine may be busy.
"""

import argparse
import http.client
import re
import subprocess
import sys
import time
from html import unescape
from urllib.parse import quote, urlencode

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("burstlab")
parser.add_argument("--limit-ms", type=float, default=300)
parser.add_argument("--first-limit-ms", type=float, default=2500, help="for the first request after a start")
parser.add_argument("--requests", type=int, default=30)
parser.add_argument("--experiment", default="large-7", help="one of the store's experiments; large-8 is compared with it")
options = parser.parse_args()
if options.requests < 2:
    parser.error("--requests must be 2 or more")

STARTS = 3
server = None


def start():
    """A server that has answered nothing yet, and a connection to it."""
    global server
    stop()
    server = subprocess.Popen(
        [options.burstlab, "ui", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    host, port = address()
    return http.client.HTTPConnection(host, port, timeout=60)


def stop():
    if server:
        server.terminate()
        server.wait()


def fail(message):
    sys.exit(f"FAILED: {message}")


def address():
    seen = []
    for line in server.stdout:
        seen.append(line)
        found = re.search(r"http://([\d.]+):(\d+)", line)
        if found:
            return found[1], int(found[2])
    fail(f"the server said no address: {''.join(seen)}")


def ask(path):
    """Seconds until the last byte, and the page."""
    start = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    seconds = time.perf_counter() - start
    if answer.status != 200:
        fail(f"{path} answers {answer.status} {answer.reason}: {body[:300].decode(errors='replace')}")
    return seconds, body.decode()


def links(path, pattern):
    """Places that a page links to."""
    found = [unescape(link) for link in re.findall(r'href="([^"]+)"', ask(path)[1])]
    found = [link for link in found if re.search(pattern, link)]
    if not found:
        fail(f"no link on {path} is like {pattern}")
    return found


try:
    name = quote(options.experiment)
    other = quote(re.sub(r"\d+$", lambda digits: str(int(digits[0]) + 1), options.experiment))
    pages = [
        ("experiments", "/"),
        ("an experiment", f"/experiments/{name}"),
        ("runs", "/runs"),
        ("runs, sorted by a metric", "/runs?" + urlencode({"sort": "test.mae"})),
        ("runs of an experiment", f"/runs?experiment={name}"),
        ("runs, filtered by a parameter", "/runs?" + urlencode({"where": "learning_rate<0.005"})),
        ("trials", f"/trials/{name}"),
        ("two experiments compared", f"/compare?of={name}&of={other}"),
        ("data", "/data"),
        ("sql", "/sql"),
    ]
    # A run that failed has nothing to compare, which would be quicker than what is measured.
    connection = start()
    of_runs = links(f"/runs?experiment={name}&status=done", r"^/runs/[0-9a-f]+$")
    runs = list(dict.fromkeys(link.rsplit("/", 1)[1] for link in of_runs))
    pages += [("a run", f"/runs/{runs[0]}"), ("two runs compared", f"/compare?of={runs[0]}&of={runs[1]}")]
    first = {}
    for _ in range(STARTS):
        connection = start()
        for title, path in pages:
            first[title] = min(first.get(title, float("inf")), ask(path)[0])

    print("| page | first, ms | median, ms | 95th percentile, ms | largest, ms | kB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    slow = []
    for title, path in pages:
        answers = [ask(path) for _ in range(options.requests)]
        times = sorted(seconds * 1000 for seconds, _ in answers)
        middle = (times[(len(times) - 1) // 2] + times[len(times) // 2]) / 2
        high = times[min(len(times) - 1, int(len(times) * 0.95))]
        size = len(answers[0][1].encode()) / 1000
        print(f"| {title} | {first[title] * 1000:.0f} | {middle:.0f} | {high:.0f} | {times[-1]:.0f} | {size:.0f} |", flush=True)
        if high > options.limit_ms or first[title] * 1000 > options.first_limit_ms:
            slow.append(f"{title} ({path}): {high:.0f} ms, the first {first[title] * 1000:.0f} ms")
    if slow:
        fail(f"above {options.limit_ms:.0f} ms, or {options.first_limit_ms:.0f} ms at first: {'; '.join(slow)}")
    print(f"no page is above {options.limit_ms:.0f} ms")
finally:
    stop()
