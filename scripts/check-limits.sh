#!/usr/bin/env bash
# Sweeps at the limits of a machine: scripts/check-limits.sh BURSTLAB
# Tests a full disk and a read-only disk (small tmpfs mounts), and the kernel's out-of-memory killer (a memory control
# group). Needs root. Removes everything that it mounted or created.
set -euo pipefail
burstlab=$(realpath "$1")
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "this check mounts file systems and creates a control group; run it as root"; exit 1; }
work=$(mktemp -d)
group=
finish() {
    code=$?
    trap - EXIT
    umount "$work/disk" 2>/dev/null || true
    if [ -n "$group" ]; then rmdir "$group" 2>/dev/null || true; fi
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
fail() { echo "FAILED: $1"; exit 1; }
query() { "$burstlab" query "$1" --format csv | tail -n +2; }
says() { grep -q -- "$2" "$1" || { cat "$1"; fail "the output lacks \`$2\`"; }; }
# ends CODE FILE COMMAND...: runs the command, writes its output to FILE, and fails unless it exits with CODE.
ends() {
    local wanted=$1 file=$2 code=0
    shift 2
    "$@" > "$file" 2>&1 || code=$?
    [ "$code" = "$wanted" ] || { cat "$file"; fail "exit code $code instead of $wanted"; }
}
cat > "$work/sweep.toml" <<EOF
name = "sweep"
[dataset]
source = "$PWD/dataset/fixtures/azure-conv-excerpt.csv"
[task.next_request]
lookback = 10
horizon = 20
[[models]]
[models.moving_average]
window = { grid = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20] }
EOF
metrics="select * from metrics order by 1, 2, 3, 4, 5"
export BURSTLAB_RESULTS="$work/undisturbed"
"$burstlab" run "$work/sweep.toml" >/dev/null 2>&1
query "$metrics" > "$work/undisturbed.csv"
needed=$(du -sk "$BURSTLAB_RESULTS" | cut -f1)

echo "-- a full disk"
mkdir "$work/disk"
mount -t tmpfs -o size=$((needed / 2))k none "$work/disk"
export BURSTLAB_RESULTS="$work/disk/results"
ends 1 "$work/full.txt" "$burstlab" run "$work/sweep.toml"
says "$work/full.txt" "$work/disk/results"
says "$work/full.txt" "free some space"
done_runs=$(query "select count(*) from runs where status = 'done'")
[ "$done_runs" -ge 3 ] && [ "$done_runs" -lt 20 ] || fail "$done_runs runs were done on the full disk"
query "select m.* from metrics m join run_records r using (run_id) where r.status = 'done' order by 1, 2, 3, 4, 5" > "$work/first.csv"
[ "$(comm -23 <(sort "$work/first.csv") <(sort "$work/undisturbed.csv") | wc -l)" = 0 ] || fail "a metric that was recorded differs"
[ "$(query "select count(*) from runs where status = 'failed'")" = 0 ] || fail "a run was marked as failed because the disk was full"
ends 1 "$work/full.txt" "$burstlab" run "$work/sweep.toml"
[ "$(query "select count(*) from runs where status = 'done'")" -ge "$done_runs" ] || fail "a run was lost"
mount -o remount,size=$((needed * 4))k "$work/disk"
done_runs=$(query "select count(*) from runs where status = 'done'")
ends 0 "$work/room.txt" "$burstlab" run "$work/sweep.toml"
says "$work/room.txt" "$done_runs of 20 are done already"
query "$metrics" > "$work/after.csv"
cmp "$work/after.csv" "$work/undisturbed.csv" || fail "the metrics differ from those of an undisturbed sweep"
[ -z "$(find "$BURSTLAB_RESULTS" -name '.draft-*')" ] || fail "a draft file was left behind"

echo "-- a read-only disk"
mount -o remount,ro "$work/disk"
ends 1 "$work/ro.txt" "$burstlab" run "$work/sweep.toml"
says "$work/ro.txt" "$work/disk/results"
says "$work/ro.txt" "or set BURSTLAB_RESULTS to"
ends 0 "$work/runs.txt" "$burstlab" runs
[ "$(query "select count(*) from runs where status = 'done'")" = 20 ] || fail "the read-only store could not be read"
ends 0 "$work/compare.txt" "$burstlab" compare sweep
BURSTLAB_RESULTS="$work/merged" ends 0 "$work/merge.txt" "$burstlab" merge "$work/disk/results"
BURSTLAB_RESULTS="$work/merged" query "$metrics" > "$work/after.csv"
cmp "$work/after.csv" "$work/undisturbed.csv" || fail "the merge from a read-only disk lost metrics"

echo "-- a read-only disk with a write-ahead log that was never checkpointed"
mount -o remount,rw "$work/disk"
rm -rf "$work/disk/results"
"$burstlab" run "$work/sweep.toml" >/dev/null 2>&1 &
sweep=$!
for _ in $(seq 200); do
    [ "$(query "select count(*) from runs where status = 'done'" 2>/dev/null || echo 0)" -ge 2 ] && break
    sleep 0.02
done
kill -9 "$sweep"
wait "$sweep" 2>/dev/null || true
# The file system stays in use until the workers have ended too.
for _ in $(seq 50); do mount -o remount,ro "$work/disk" 2>/dev/null && break; sleep 0.1; done
[ -s "$work/disk/results/burstlab.db-wal" ] || fail "the killed sweep left no write-ahead log"
BURSTLAB_RESULTS="$work/merged-log" ends 0 "$work/merge.txt" "$burstlab" merge "$work/disk/results"
done_runs=$(BURSTLAB_RESULTS="$work/merged-log" query "select count(*) from runs where status = 'done'")
[ "$done_runs" -ge 2 ] || fail "only $done_runs runs were recovered from the log"

echo "-- the kernel's out-of-memory killer"
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    group=/sys/fs/cgroup/burstlab-check-$$
    grep -qw memory /sys/fs/cgroup/cgroup.subtree_control || echo +memory > /sys/fs/cgroup/cgroup.subtree_control
    mkdir "$group"
    echo $((400 << 20)) > "$group/memory.max"
    if [ -f "$group/memory.swap.max" ]; then echo 0 > "$group/memory.swap.max"; fi
else
    [ -d /sys/fs/cgroup/memory ] || fail "this system has no memory control group"
    group=/sys/fs/cgroup/memory/burstlab-check-$$
    mkdir "$group"
    echo $((400 << 20)) > "$group/memory.limit_in_bytes"
fi
within() { sh -c 'echo $$ > "$0/cgroup.procs"; exec "$@"' "$group" "$@"; }
export BURSTLAB_RESULTS="$work/memory"
cat > "$work/memory.toml" <<EOF
name = "memory"
[dataset]
source = "$PWD/dataset/fixtures/azure-conv-excerpt.csv"
max_rows = 400
[task.next_request]
lookback = 5
[training]
epochs = 1
[[models]]
[models.lstm]
hidden = { grid = [8, 6000] }
[[models]]
[models.zero]
[scheduler]
retries = 0
backoff = "10ms"
EOF
ends 3 "$work/oom.txt" within "$burstlab" run "$work/memory.toml" --slots 2
says "$work/oom.txt" "out of memory: the worker was killed by signal 9 by the kernel; it is tried again in 10ms, while nothing else runs"
hungry="from runs where params->>'\$.model.hidden' = 6000"
[ "$(query "select status || ' ' || attempts $hungry")" = "failed 2" ] || fail "the run was not tried twice, the second time alone"
[ "$(query "select error like 'out of memory: %' $hungry")" = 1 ] || fail "its error does not say that it ran out of memory"
[ "$(query "select count(*) from runs where status = 'done'")" = 2 ] || fail "the others are not done"
ends 0 "$work/admitted.txt" within "$burstlab" run "$work/memory.toml" --force --slots 2 --set models.lstm.hidden=8 \
    --set 'scheduler.memory_per_run="250MiB"'
says "$work/admitted.txt" "memory suffices for 1 run at once, not 2: each may use 250MiB"
echo "limits: all checks passed"
