#!/usr/bin/env bash
# Runs in packs against the same runs alone, on one device: scripts/compare-packs.sh BINARY DEVICE TRACE [RUNS]. The metrics
# must agree. The speed of a pack of RUNS (24) and that of three runs alone are printed for each of SHAPES: hidden units, layers
# and batch, separated by commas ("32 1 32,64 2 256"). A shape that the device takes no such pack of is left out, and that is
# said. DEVICE is one of `--device`.
set -euo pipefail
binary=$(realpath "$1") device=$2 trace=$(realpath "$3") runs=${4:-24}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/same.toml" <<TOML
name = "same"
[dataset]
source = "$trace"
max_rows = 700
[task.next_request]
lookback = 8
horizon = 2
[training]
epochs = 2
batch_size = 64
learning_rate = { grid = [1e-3, 3e-3] }
gradient_clip_norm = 1.0
[[models]]
[models.lstm]
hidden = 8
layers = 2
dropout = 0.2
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
[search]
seeds = [1, 2]
TOML
sweep() {
    BURSTLAB_RESULTS="$work/same-$1" "$binary" run "$work/same.toml" --device "$device" --slots 1 --set "scheduler.pack=$1" \
        > /dev/null 2> "$work/log" || { cat "$work/log"; return 1; }
}
ask() {
    BURSTLAB_RESULTS="$work/$1" "$binary" query --format csv "$2"
}
metrics="select r.run_id, r.model, value from runs r join metrics using (run_id)
         where part = 'test' and target = 'all' and name = 'mse' order by 1"
for pack in 1 4; do
    sweep "$pack"
    ask "same-$pack" "$metrics" > "$work/same-$pack.csv"
done
python3 - "$work/same-1.csv" "$work/same-4.csv" <<'PY'
import csv
import sys

alone, packed = (list(csv.DictReader(open(path))) for path in sys.argv[1:])
assert [row["run_id"] for row in alone] == [row["run_id"] for row in packed] and len(alone) == 20, (alone, packed)
worst = {}
for a, b in zip(alone, packed):
    apart = abs(float(b["value"]) / float(a["value"]) - 1)
    worst[a["model"]] = max(worst.get(a["model"], 0.0), apart)
for model, apart in worst.items():
    print(f"{model}: test mse in a pack at most {apart:.1e} from that of the run alone")
    assert apart < 1e-4, "a pack trains other models"
PY

# The speed of training, of some runs alone and of so many together.
IFS=, read -ra shapes <<< "${SHAPES:-32 1 32,64 2 256}"
for shape in "${shapes[@]}"; do
    read -r hidden layers batch <<< "$shape"
    for pack in 1 "$runs"; do
        code=0
        "$here/time-training.sh" "$binary" "$device" "$pack" "$((pack == 1 ? 3 : pack))" "$hidden" "$layers" "$batch" "$trace" \
            > "$work/speed-$pack" || code=$?
        # The message is there already.
        [ "$code" != 3 ] || continue 2
        [ "$code" = 0 ] || exit "$code"
    done
    read -r alone _ < "$work/speed-1"
    read -r packed _ < "$work/speed-$runs"
    python3 -c "
print(f'lstm hidden $hidden, layers $layers, batch $batch, on $device: $alone steps a second alone, $packed as a pack of $runs:'
      f' {$packed / $alone:.2f} times as fast')"
done
