#!/usr/bin/env bash
# A sweep of 10,000 runs: `compare`, `report` and `claims` take no longer than sqlite3 takes to read all its metrics a few
# times (under a second each on a fast core), and the page stays readable.
# scripts/check-10000-runs.sh BURSTLAB [RESULTS_FOLDER]
#
# A small sweep is run for real; then its store is filled up with copies of its runs, each with a hyperparameter value of
# its own and metrics that are a little worse, so that the real runs, which have files, stay those that are shown.
set -euo pipefail
burstlab=$(realpath "$1")
results=${2:+$(realpath -m "$2")}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BURSTLAB_RESULTS="${results:-$work/results}"
fail() { echo "FAILED: $1"; exit 1; }

cat > "$work/large.toml" <<'TOML'
name = "large"
[dataset]
source = "synthetic-burstgpt"
max_rows = 2000
[task.next_request]
lookback = 20
[training]
epochs = 2
learning_rate = { log_uniform = [1e-4, 1e-2] }
[[models]]
[models.persistence]
[[models]]
[models.mean]
[[models]]
[models.linear]
[[models]]
[models.lstm]
hidden = { int = [2, 8] }
[search]
strategy = "random"
trials = 3
seeds = [1, 2]
[[claims]]
name = "persistence"
where = { model.kind = "persistence" }
metric = "mse"
at_least = 0
TOML
"$burstlab" run "$work/large.toml" > /dev/null 2>&1

python3 scripts/fill-store.py "$BURSTLAB_RESULTS/burstlab.db" 10000

# seconds_of COMMAND...: the quickest of five, since the file may be cold and the machine busy.
seconds_of() {
    local best=999 start end
    for _ in 1 2 3 4 5; do
        start=$(date +%s.%N)
        "$@" > "$work/out.txt" || return 1
        end=$(date +%s.%N)
        best=$(awk -v b="$best" -v s="$start" -v e="$end" 'BEGIN { t = e - s; print (t < b) ? t : b }')
    done
    printf '%s' "$best"
}
# A ratio holds on any machine, where a number of seconds does not.
once=$(seconds_of sqlite3 "$BURSTLAB_RESULTS/burstlab.db" "select count(*), sum(value), max(name) from metrics") || fail sqlite3
printf 'sqlite3 reads all metrics once in %.2f s\n' "$once"
# within TIMES COMMAND...
within() {
    local times=$1 seconds
    shift
    seconds=$(seconds_of "$@") || fail "$*"
    awk -v s="$seconds" -v o="$once" -v t="$times" 'BEGIN { exit !(s < o * t) }' ||
        fail "$2 took $seconds s, more than $times times the $once s that sqlite3 takes to read all metrics"
    printf '%s of 10,000 runs: %.2f s\n' "$2" "$seconds"
}
within 4 "$burstlab" compare large
within 7 "$burstlab" report large
within 4 "$burstlab" claims large
within 4 "$burstlab" runs --experiment large --sort test.mse --limit 10
page="$BURSTLAB_RESULTS/large/report.html"
[ "$(stat -c %s "$page")" -lt 3000000 ] || fail "the page has $(stat -c %s "$page") bytes"
grep -q 'more runs not shown' "$page" || fail "the page shows all runs"
echo "10,000 runs: all checks passed"
