#!/usr/bin/env bash
# Trains so many LSTMs of one shape on a device, and prints two numbers: the optimizer steps a second of all of them together,
# with the validation after each epoch, and the seconds from start to end of the process.
# scripts/time-training.sh BINARY DEVICE PACK RUNS HIDDEN LAYERS BATCH TRACE
# PACK is 1, RUNS or auto; the steps of several packs are not counted (`-`). A pack that the device does not take as a whole, or
# that fails and is split up, has no speed: the exit code is 3. The first epoch, in which kernels are compiled and
# tuned, counts in the seconds only. ROWS is how many rows of the trace are used (2000), SLOTS how many slots train (1); the steps
# a second are those of one slot.
set -euo pipefail
binary=$(realpath "$1") device=$2 pack=$3 runs=$4 hidden=$5 layers=$6 batch=$7 trace=$(realpath "$8")
[ "$pack" != auto ] || pack='"auto"'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BURSTLAB_RESULTS="$work/results"
cat > "$work/time.toml" <<TOML
name = "time"
[dataset]
source = "$trace"
max_rows = ${ROWS:-2000}
[task.next_request]
lookback = 50
[training]
epochs = 3
batch_size = $batch
[[models]]
[models.lstm]
hidden = $hidden
layers = $layers
[search]
seeds = [$(seq -s, 1 "$runs")]
TOML
sweep() { "$binary" run "$work/time.toml" --device "$device" --slots "${SLOTS:-1}" --set "scheduler.pack=$pack" "$@"; }
if [ "$pack" = "$runs" ] && [ "$pack" != 1 ]; then
    plan=$(sweep --dry-run 2>&1) || { tail -n 3 <<< "$plan" >&2; exit 1; }
    grep -q "at most $pack at once" <<< "$plan" ||
        { echo "the device takes no pack of $pack: $(grep -E "at once|alone" <<< "$plan")" >&2; exit 3; }
fi
started=$(date +%s.%N)
sweep > /dev/null 2> "$work/log" ||
    { tail -n 3 "$work/log" >&2; exit 1; }
ended=$(date +%s.%N)
lost=$("$binary" query --format json "select error from attempts where status <> 'done' limit 1")
if [ "$pack" = "$runs" ] && [ "$lost" != "[]" ]; then
    echo "an attempt failed, and its pack was split up: $lost" >&2
    exit 3
fi
# Runs of one pack have their epochs at the same time.
case $pack in
    1) of=sum ;;
    "$runs") of=max ;;
    *) of= ;;
esac
"$binary" query --format csv "select leak_verdict from run_records limit 1" > "$work/verdict.csv"
"$binary" query --format csv "select epoch, count(*) as runs, ${of:-max}(wall_s) as s from epochs group by epoch order by epoch" > "$work/epochs.csv"
python3 - "$work" "$batch" "$started" "$ended" "$of" <<'PY'
import csv
import math
import re
import sys

work, batch = sys.argv[1], int(sys.argv[2])
whole = float(sys.argv[4]) - float(sys.argv[3])
first, end = map(int, re.search(r"train targets (\d+)\.\.(\d+)", open(f"{work}/verdict.csv").read()).groups())
_, *later = csv.DictReader(open(f"{work}/epochs.csv"))
steps = sum(int(epoch["runs"]) for epoch in later) * math.ceil((end - first) / batch)
speed = f"{steps / sum(float(epoch['s']) for epoch in later):.1f}" if sys.argv[5] else "-"
print(f"{speed} {whole:.2f}")
PY
