#!/usr/bin/env bash
# Requests a second and latency of `burstlab serve` at 1, 10 and 100 connections, asked by wrk while rows come in, and the processor
# time that the server takes for a request, which tells about a busy machine too:
# scripts/bench-serve.sh BURSTLAB [SECONDS]
# The model is trained first, unless BURSTLAB_RESULTS names a folder that has it.
# Needs wrk (Debian's package wrk), curl and python3.
set -euo pipefail
burstlab=$(realpath "$1")
seconds=${2:-10}
cd "$(dirname "$0")/.."
command -v wrk > /dev/null || { echo "FAILED: there is no wrk on this machine (apt-get install wrk)"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BURSTLAB_RESULTS="${BURSTLAB_RESULTS:-$work/results}" BURSTLAB_CACHE="$work/cache" BURSTLAB_BINARY="$burstlab" SECONDS_EACH="$seconds" WORK="$work"
"$burstlab" run experiments/servegen-capacity.toml --set 'search.seeds=[1]' --set training.epochs=2 > /dev/null
exec python3 - <<'PYTHON'
import os, re, subprocess, sys, threading, time

seconds, burstlab = os.environ["SECONDS_EACH"], os.environ["BURSTLAB_BINARY"]
rows = open("dataset/servegen/servegen-m-large-load.csv").read().splitlines(keepends=True)
path = os.path.join(os.environ["WORK"], "rows.csv")
open(path, "w").writelines(rows[:1001])
run = subprocess.check_output(
    [burstlab, "query", "select run_id from runs where model = 'lstm'", "--format", "csv"], text=True
).splitlines()[1]
server = subprocess.Popen(
    [burstlab, "serve", "--run", run, "--trace", path, "--port", "0"],
    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
)
url = server.stdout.readline().strip().rstrip("/")
over = threading.Event()
written = 0


def write():
    """Ten rows a second."""
    global written
    with open(path, "a") as file:
        for row in rows[1001:]:
            if over.wait(0.1):
                return
            file.write(row)
            file.flush()
            written += 1


def processor_s():
    """Processor time of the server so far."""
    fields = open(f"/proc/{server.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


writer = threading.Thread(target=write)
writer.start()
time.sleep(1)
print(f"lstm of experiments/servegen-capacity.toml, {seconds} s each, ten rows a second")
try:
    for address in ["/v1/forecast", "/v1/forecast?steps=2&quantiles=0.9", "/metrics"]:
        for connections in [1, 10, 100]:
            command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url + address]
            before_s = processor_s()
            said = subprocess.check_output(command, text=True)
            took_s = processor_s() - before_s
            rate = re.search(r"Requests/sec:\s+(\S+)", said)[1]
            median, last = (
                re.search(rf"^\s+{share}%\s+(\S+)", said, re.M)[1] for share in (50, 99)
            )
            if re.search(r"Socket errors|Non-2xx", said):
                sys.exit(f"FAILED: {said}")
            requests = int(re.search(r"(\d+) requests in", said)[1])
            print(
                f"{address:36} {connections:4} connections: {float(rate):7,.0f} a second, median {median}, p99 {last}, "
                f"{1e6 * took_s / requests:.0f} µs of the processor each"
            )
finally:
    over.set()
    writer.join()
    server.terminate()
    server.wait()
print(f"{written} rows came in meanwhile")
PYTHON
