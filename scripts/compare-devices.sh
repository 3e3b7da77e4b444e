#!/usr/bin/env bash
# Runs on a device against the same runs on the CPU: scripts/compare-devices.sh BINARY DEVICE TRACE. The metrics must agree as
# far as another arithmetic lets them. DEVICE is one of `--device`.
set -euo pipefail
binary=$(realpath "$1") device=$2 trace=$(realpath "$3")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/devices.toml" <<TOML
name = "devices"
[dataset]
source = "$trace"
max_rows = 700
[task.next_request]
lookback = 8
[training]
epochs = 2
batch_size = 64
[[models]]
[models.lstm]
hidden = 8
[[models]]
[models.gru]
hidden = 8
[[models]]
[models.dlinear]
kernel = 5
[[models]]
[models.ts_mixer]
hidden = 8
[[models]]
[models.tcn]
hidden = 8
blocks = 2
[[models]]
[models.neural_point_process]
hidden = 8
TOML
for where in cpu "$device"; do
    BURSTLAB_RESULTS="$work/$where" "$binary" run "$work/devices.toml" --device "$where" --slots 1 > /dev/null 2> "$work/log" ||
        { cat "$work/log" >&2; exit 1; }
    BURSTLAB_RESULTS="$work/$where" "$binary" query --format csv \
        "select model, device, value from runs join metrics using (run_id)
         where part = 'test' and target = 'all' and name = 'mse' order by model" > "$work/$where.csv"
done
python3 - "$work/cpu.csv" "$work/$device.csv" "$device" <<'PY'
import csv
import sys

cpu, other = (list(csv.DictReader(open(path))) for path in sys.argv[1:3])
device = sys.argv[3]
assert len(cpu) == len(other) == 6, (cpu, other)
for a, b in zip(cpu, other):
    assert b["device"].startswith(device), b
    apart = abs(float(a["value"]) / float(b["value"]) - 1)
    print(f"{a['model']}: test mse {float(a['value']):.6g} on the CPU, {float(b['value']):.6g} on {device}, {apart:.1e} apart")
    assert apart < 1e-3, "the two devices train different models"
PY
