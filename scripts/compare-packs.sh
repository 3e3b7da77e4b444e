#!/usr/bin/env bash
# Runs in packs against the same runs alone, on one device: scripts/compare-packs.sh BINARY DEVICE TRACE [RUNS]. The metrics
# must agree, and the times of both are printed. DEVICE is one of `--device`.
set -euo pipefail
binary=$(realpath "$1") device=$2 trace=$(realpath "$3") runs=${4:-24}
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
    BURSTLAB_RESULTS="$work/$2-$3" "$binary" run "$work/$1.toml" --device "$device" --slots 1 --set "scheduler.pack=$3" \
        "${@:4}" > /dev/null 2> "$work/log" || { cat "$work/log"; return 1; }
}
ask() {
    BURSTLAB_RESULTS="$work/$1" "$binary" query --format csv "$2"
}
metrics="select r.run_id, r.model, value from runs r join metrics using (run_id)
         where part = 'test' and target = 'all' and name = 'mse' order by 1"
for pack in 1 4; do
    sweep same same "$pack"
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

# How long the training of so many runs takes, alone and together; one run before warms the caches of data and kernels.
for shape in "32 1 32" "64 2 256"; do
    read -r hidden layers batch <<< "$shape"
    cat > "$work/time.toml" <<TOML
name = "time"
[dataset]
source = "$trace"
max_rows = 2000
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
    for pack in 1 "$runs"; do
        rm -rf "$work/time-$pack"
        sweep time warm "$pack" --set "search.seeds=[$(seq -s, 1001 $((1000 + pack)))]"
        rm -rf "$work/warm-$pack"
        sweep time time "$pack"
    done
    alone=$(ask time-1 "select sum(wall_s) as s from (select run_id, sum(wall_s) as wall_s from epochs group by run_id)" | tail -n 1)
    packed=$(ask "time-$runs" "select max(wall_s) as s from (select run_id, sum(wall_s) as wall_s from epochs group by run_id)" | tail -n 1)
    python3 -c "
alone, packed = $alone, $packed
print(f'lstm hidden $hidden, layers $layers, batch $batch, on $device: training of $runs runs {alone:.2f} s alone,'
      f' {packed:.2f} s as a pack: {alone / packed:.2f} times as fast')"
done
