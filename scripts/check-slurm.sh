#!/usr/bin/env bash
# A sweep through a real Slurm on this one machine: scripts/check-slurm.sh BURSTLAB
# Installs slurm-wlm and munge where they are absent (Debian, as root), starts slurmctld, slurmd and munged with a
# configuration of their own, submits a sweep with --engine slurm, waits until it ends, and compares the merged store with
# a local run, bit by bit. One array task is made to fail and is submitted again by the same command. Everything that this
# script started and wrote is gone when it ends.
set -euo pipefail
burstlab=$(realpath "$1")
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "this check starts Slurm's daemons; run it as root"; exit 1; }
if ! command -v slurmctld slurmd sbatch munged >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
fi
work=$(mktemp -d /tmp/burstlab-slurm.XXXXXX)
chmod 755 "$work"
daemons=()
finish() {
    code=$?
    trap - EXIT
    if [ "$code" != 0 ]; then
        tail -n 20 "$work"/slurm/*.log "$work"/folder*/results/slurm/*/logs/*.log 2>/dev/null || true
    fi
    scancel --user=root 2>/dev/null || true
    for daemon in "${daemons[@]}"; do kill "$daemon" 2>/dev/null || true; done
    for daemon in "${daemons[@]}"; do wait "$daemon" 2>/dev/null || true; done
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
fail() { echo "FAILED: $1"; exit 1; }

echo "-- a Slurm of one machine"
mkdir -p "$work/munge" "$work/slurm/state" "$work/slurm/spool"
# munged insists on folders that only its own user may write.
dd if=/dev/urandom of="$work/munge/key" bs=1024 count=1 status=none
chmod 600 "$work/munge/key"
export MUNGE_SOCKET="$work/munge/socket"
munged --foreground --force --num-threads=2 --key-file="$work/munge/key" --socket="$MUNGE_SOCKET" \
    --pid-file="$work/munge/pid" --log-file="$work/munge/log" --seed-file="$work/munge/seed" >/dev/null 2>&1 &
daemons+=($!)
host=$(hostname -s)
cores=$(nproc)
export SLURM_CONF="$work/slurm/slurm.conf"
cat > "$SLURM_CONF" <<EOF
ClusterName=burstlab
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$MUNGE_SOCKET
CredType=cred/munge
StateSaveLocation=$work/slurm/state
SlurmdSpoolDir=$work/slurm/spool
SlurmctldPidFile=$work/slurm/slurmctld.pid
SlurmdPidFile=$work/slurm/slurmd.pid
SlurmctldLogFile=$work/slurm/slurmctld.log
SlurmdLogFile=$work/slurm/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2
ReturnToService=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cores RealMemory=1000 State=UNKNOWN
PartitionName=batch Nodes=$host Default=YES MaxTime=INFINITE State=UP
EOF
for _ in $(seq 100); do [ -S "$MUNGE_SOCKET" ] && break; sleep 0.1; done
[ -S "$MUNGE_SOCKET" ] || fail "munged did not start"
slurmctld -D >/dev/null 2>&1 &
daemons+=($!)
slurmd -D -N "$host" >/dev/null 2>&1 &
daemons+=($!)
up() { sinfo --noheader --format=%T 2>/dev/null | grep -q '^idle$'; }
for _ in $(seq 300); do up && break; sleep 0.2; done
up || fail "the node did not come up: $(sinfo 2>&1)"

echo "-- a sweep through it"
folder="$work/folder with 100% 'quotes'"
mkdir -p "$folder"
cat > "$folder/the sweep.toml" <<EOF
name = "through-slurm"
[dataset]
source = "$PWD/dataset/fixtures/azure-conv-excerpt.csv"
max_rows = 1000
[task.next_request]
lookback = 10
[training]
epochs = 2
[[models]]
[models.persistence]
[[models]]
[models.moving_average]
window = { grid = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14] }
[[models]]
[models.dlinear]
kernel = 5
[[models]]
[models.lstm]
hidden = 8
[[models]]
[models.ensemble]
members = ["dlinear", "lstm"]
[search]
seeds = [1, 2, 3]
[scheduler.slurm]
partition = "batch"
parts = 3
array_limit = 2
time = "10min"
cpus = 1
memory = "200MiB"
options = ["--comment=a \"sweep\""]
EOF
cd "$folder"
export BURSTLAB_DATASET="$folder"
run() { "$burstlab" run "the sweep.toml" "$@"; }
query() { "$burstlab" query "$1" --format csv | tail -n +2; }
metrics="select m.* from metrics m join experiment_runs using (run_id) where experiment = 'through-slurm' order by 1, 2, 3, 4, 5"
BURSTLAB_RESULTS="$folder/local" run > local.txt
BURSTLAB_RESULTS="$folder/local" query "$metrics" > local.csv
[ "$(wc -l < local.csv)" -gt 500 ] || fail "the local run has too few metrics to compare"

export BURSTLAB_RESULTS="$folder/results"
run --engine slurm --dry-run > scripts.txt
grep -q '^#SBATCH --array=1-3%2$' scripts.txt || fail "the dry run shows no job array"
[ -e "$BURSTLAB_RESULTS/slurm" ] && fail "a dry run wrote something"
# A file stands where the second part creates its results folder, so that task fails.
mkdir -p "$BURSTLAB_RESULTS/slurm/through-slurm"
echo "in the way" > "$BURSTLAB_RESULTS/slurm/through-slurm/part-2-of-3"
settled() {
    for _ in $(seq 600); do
        [ -z "$(squeue --noheader --format=%i 2>/dev/null)" ] && return
        sleep 0.2
    done
    squeue || true
    fail "the jobs did not end"
}
run --engine slurm | tee submitted.txt
grep -q "job array [0-9]* runs 3 of 3 parts" submitted.txt || fail "three parts should have been submitted"
run --engine slurm 2>&1 | grep -q "has not ended yet, so nothing is submitted" || fail "the sweep was submitted twice"
settled
logs="$BURSTLAB_RESULTS/slurm/through-slurm/logs"
grep -q "cannot make the results folder" "$logs/part-2.log" || fail "the task whose results folder is a file did not fail"
[ -s "$BURSTLAB_RESULTS/through-slurm/report.html" ] || fail "the last job wrote no report"
merged() {
    query "$metrics" > merged.csv
    cmp local.csv merged.csv || fail "$1: the merged store has other metrics than the local run"
    [ "$(query "select count(*) from runs where status <> 'done'")" = 0 ] || fail "$1: a run is not done"
    [ "$(query "select max(n) from (select count(*) as n from attempts where status = 'done' group by run_id)")" = 1 ] ||
        fail "$1: a run was done twice"
}
merged "the last job runs what a failed task left"

echo "-- only the failed task is submitted again"
rm "$BURSTLAB_RESULTS/burstlab.db" "$BURSTLAB_RESULTS/slurm/through-slurm/part-2-of-3"
rm -rf "$BURSTLAB_RESULTS/runs" "$BURSTLAB_RESULTS/through-slurm"
run --engine slurm | tee submitted.txt
grep -q "job array [0-9]* runs 1 of 3 parts" submitted.txt || fail "only the failed part should have been submitted again"
settled
merged "the parts"
owners=$(query "select count(distinct owner) from attempts")
[ "$owners" = 4 ] || fail "the runs come from $owners jobs, not from three parts and the last job"
[ "$(query "select count(*) from runs join attempts using (run_id) where model <> 'ensemble' group by owner" | wc -l)" = 3 ] ||
    fail "the last job ran more than the ensembles"
run --engine slurm 2>&1 | grep -q "all 24 runs are done already, nothing to run" || fail "a finished sweep was submitted"
echo "slurm: all checks passed"
