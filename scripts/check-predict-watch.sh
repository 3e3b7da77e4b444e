#!/usr/bin/env bash
# Speed and correctness of `predict --watch` on the real Azure trace: scripts/check-predict-watch.sh BURSTLAB DATA
# Prints forecasts a second for DLinear, and the time from a row to its forecast for an LSTM (32 units, lookback 50), pipes
# included. Fails if a forecast is missing or differs from that of `predict`, or below a tenth of the expected speed.
set -euo pipefail
burstlab=$(realpath "$1")
trace=$(realpath "$2")/azure/AzureLLMInferenceTrace_conv.csv
[ -f "$trace" ] || { echo "the real trace $trace is missing"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BURSTLAB_RESULTS="$work/results" BURSTLAB_BINARY="$burstlab" TRACE="$trace" WORK="$work"
cat > "$work/speed.toml" <<TOML
name = "speed"
[dataset]
source = "$trace"
[task.next_request]
lookback = 50
[training]
epochs = 1
[[models]]
[models.dlinear]
[[models]]
[models.lstm]
hidden = 32
TOML
"$burstlab" run "$work/speed.toml" > /dev/null
exec python3 - <<'PYTHON'
import json, os, subprocess, sys, time

burstlab, trace = os.environ["BURSTLAB_BINARY"], os.environ["TRACE"]
rows = open(trace, "rb").read().splitlines(keepends=True)

def run_of(model):
    sql = f"select run_id from runs where model = '{model}'"
    return json.loads(subprocess.check_output([burstlab, "query", sql, "--format", "json"]))[0]["run_id"]

def whole(model, rows):
    path = os.path.join(os.environ["WORK"], "so-far.csv")
    with open(path, "wb") as file:
        file.writelines(rows)
    command = [burstlab, "predict", "--run", run_of(model), "--trace", path, "--format", "json"]
    return subprocess.check_output(command)

def watcher(model):
    command = [burstlab, "predict", "--run", run_of(model), "--trace", "-", "--watch"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

# Throughput: the whole trace at once. The time to start the program is measured separately and subtracted.
def timed(text):
    process = watcher("dlinear")
    started = time.perf_counter()
    output, _ = process.communicate(text)
    return time.perf_counter() - started, output.splitlines(keepends=True)

start_s = min(timed(b"".join(rows[:60]))[0] for _ in range(3))
took_s, output = min(timed(b"".join(rows)) for _ in range(3))
if len(output) != len(rows) - 1 - 1 - 49:
    sys.exit(f"FAILED: {len(output)} forecasts of {len(rows) - 1} requests")
if output[-1] != whole("dlinear", rows):
    sys.exit("FAILED: the last forecast is not that of the whole trace")
rate = len(output) / max(took_s - start_s, 1e-3)
print(f"dlinear: {rate:,.0f} forecasts a second ({len(output):,} in {took_s:.3f} s, {start_s:.3f} s of it to start)")

# Latency: one row at a time, each after the forecast of the row before it.
process = watcher("lstm")
process.stdin.write(b"".join(rows[:51]))
process.stdin.flush()
waits = []
for row in rows[51:5051]:
    started = time.perf_counter()
    process.stdin.write(row)
    process.stdin.flush()
    line = process.stdout.readline()
    waits.append(time.perf_counter() - started)
process.stdin.close()
if process.wait() != 0 or line != whole("lstm", rows[:5051]):
    sys.exit("FAILED: the last forecast of the lstm is not that of the whole trace")
waits.sort()
at = lambda share: 1e3 * waits[int(share * len(waits))]
print(f"lstm: from a row to its forecast {at(0.5):.3f} ms median, {at(0.99):.3f} ms p99, {at(0.999):.3f} ms p99.9")
if rate < 2_000 or at(0.99) > 10:
    sys.exit("FAILED: slower than a tenth of the expected speed")
PYTHON
