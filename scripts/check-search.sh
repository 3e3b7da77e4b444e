#!/usr/bin/env bash
# `tpe` and `asha` on the real Azure trace: scripts/check-search.sh BURSTLAB DATA_FOLDER
# Trials, verdicts and metrics are the same with one slot, with two, and after a kill. The best trial is recorded.
set -euo pipefail
burstlab=$(realpath "$1")
data=$(realpath "$2")
cd "$(dirname "$0")/.."
[ -f "$data/azure/AzureLLMInferenceTrace_conv.csv" ] || { echo "the Azure trace is missing in $data"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BURSTLAB_DATASET="$data"
fail() { echo "FAILED: $1"; exit 1; }
query() { "$burstlab" query "$1" --format csv | tail -n +2; }
file=experiments/azure-search.toml

# Everything that must not depend on the number of slots, the order of runs, or kills.
outcome() {
    query "select position, run_id, status from experiment_runs join run_records using (run_id) order by 1"
    query "select run_id, kind, detail from events where kind in ('continued', 'pruned') order by 1, event_id"
    query "select run_id, epoch, train_loss, valid_loss from epochs order by 1, 2"
    query "select run_id, part, target, unit, name, value from metrics order by 1, 2, 3, 4, 5"
}

for slots in 1 2; do
    export BURSTLAB_RESULTS="$work/slots-$slots"
    "$burstlab" run "$file" --slots "$slots" > "$work/report-$slots.txt"
    outcome > "$work/outcome-$slots.csv"
done
cmp "$work/outcome-1.csv" "$work/outcome-2.csv" || fail "one slot and two give different searches"
planned=$(query "select count(*) from runs")
pruned=$(query "select count(*) from runs where status = 'pruned'")
echo "$planned runs, $pruned of them pruned; one slot and two give the same search"
[ "$pruned" -ge 5 ] || fail "asha pruned only $pruned runs"
[ "$(query "select count(*) from runs where status not in ('done', 'pruned')")" = 0 ] || fail "a run is neither done nor pruned"
[ "$(query "select count(*) from runs where model = 'lstm'")" -ge 15 ] || fail "tpe proposed too few trials"

echo "-- after a kill, the search ends the same"
export BURSTLAB_RESULTS="$work/killed"
"$burstlab" run "$file" --slots 2 > /dev/null 2>&1 &
sweep=$!
for _ in $(seq 300); do
    ended=$(query "select count(*) from run_records where status in ('done', 'pruned')" 2>/dev/null || echo 0)
    [ "${ended:-0}" -ge 16 ] && break
    sleep 0.05
done
kill -9 "$sweep"
wait "$sweep" 2>/dev/null || true
"$burstlab" run "$file" --slots 2 > /dev/null
# Events of a killed attempt are kept, so the log may hold a verdict twice. Everything else is the same.
outcome | sort -u > "$work/outcome-killed.csv"
sort -u "$work/outcome-1.csv" | cmp - "$work/outcome-killed.csv" || fail "the killed search ended differently"

echo "-- the best trial is recorded and represents its model"
best=$(query "select run_id from runs join metrics using (run_id) where model = 'lstm' and status = 'done' and part = 'valid'
              and target = 'all' and name = 'mse' order by value limit 1")
"$burstlab" compare azure-search --format json | grep -q "$best" || fail "the best trial $best is not on the leaderboard"
first=$(query "select min(value) from runs join metrics using (run_id) join experiment_runs using (run_id, experiment)
               where model = 'lstm' and part = 'valid' and target = 'all' and name = 'mse' and position < 12")
last=$(query "select min(value) from runs join metrics using (run_id) where model = 'lstm' and part = 'valid' and target = 'all' and name = 'mse'")
echo "lowest validation mse of the LSTM: $first in the first batch, $last in the end"
awk -v a="$last" -v b="$first" 'BEGIN { exit !(a < b) }' || fail "the later batches found nothing better"
"$burstlab" explain "$(query "select run_id from runs where status = 'pruned' limit 1")" | grep "pruned it at epoch"
echo "search: all checks passed"
