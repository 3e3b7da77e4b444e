#!/usr/bin/env bash
# Merges many partial stores, whose runs have their files, into an empty one: seconds, memory, and a merge that is killed half
# way and continues. scripts/bench-merge.sh BURSTLAB [STORES [RUNS_PER_STORE]], by default 64 and 1000
set -euo pipefail
burstlab=$(realpath "$1")
stores=${2:-64}
runs=${3:-1000}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $1"; exit 1; }

cat > "$work/parts.toml" <<'TOML'
name = "parts"
[dataset]
source = "synthetic-burstgpt"
max_rows = 1000
[task.next_request]
lookback = 20
[training]
epochs = 2
learning_rate = { log_uniform = [1e-4, 1e-2] }
[[models]]
[models.linear]
[[models]]
[models.lstm]
hidden = { int = [2, 8] }
[search]
strategy = "random"
trials = 2
seeds = [1, 2]
TOML
BURSTLAB_RESULTS="$work/base" "$burstlab" run "$work/parts.toml" > /dev/null 2>&1
"$burstlab" --version
python3 - "$work" "$stores" "$runs" <<'PY'
"""Copies the base store into one for each part, and gives every run of theirs the files of a real one, as links."""
import os, shutil, sqlite3, subprocess, sys
work, stores, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
real = [f"{work}/base/runs/{name}" for name in sorted(os.listdir(f"{work}/base/runs")) if not name.startswith(".")]
for part in range(stores):
    folder = f"{work}/part-{part}"
    os.makedirs(f"{folder}/runs")
    store = f"{folder}/burstlab.db"
    shutil.copy(f"{work}/base/burstlab.db", store)
    subprocess.run([sys.executable, "scripts/fill-store.py", store, str(runs), str(runs), str(part * runs)], check=True,
                   stdout=subprocess.DEVNULL)
    connection = sqlite3.connect(store)
    connection.execute("pragma wal_checkpoint(truncate)")
    for number, (run,) in enumerate(connection.execute("select run_id from run_records where status = 'done'")):
        source = f"{work}/base/runs/{run}"
        source = source if os.path.isdir(source) else real[number % len(real)]
        os.makedirs(f"{folder}/runs/{run}")
        for name in os.listdir(source):
            os.link(f"{source}/{name}", f"{folder}/runs/{run}/{name}")
    connection.close()
PY
printf 'one store: %s MB, one run folder: %s kB in %s files\n' \
    "$(du -m "$work/part-0/burstlab.db" | cut -f 1)" \
    "$(( $(du -sb --apparent-size "$work/base/runs" | cut -f 1) / $(ls "$work/base/runs" | wc -l) / 1000 ))" \
    "$(find "$work/base/runs" -type f | head -1 | xargs dirname | xargs ls | wc -l)"

# measured RESULTS OUTPUT: merges all parts, and prints the seconds and the largest memory of the process.
measured() {
    BURSTLAB_RESULTS="$1" python3 - "$2" "$burstlab" merge "$work"/part-* <<'PY'
import resource, subprocess, sys, time
start = time.monotonic()
with open(sys.argv[1], "w") as output:
    code = subprocess.run(sys.argv[2:], stdout=output, stderr=output).returncode
seconds = time.monotonic() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{seconds:.1f} s ({used.ru_utime:.1f} s user, {used.ru_stime:.1f} s system), at most {used.ru_maxrss // 1024} MB")
sys.exit(code)
PY
}
# What the merge brings, in a form that two merges can be compared by.
contents() {
    BURSTLAB_RESULTS="$1" "$burstlab" query "select status, count(*), sum(wall_s) from attempts group by 1 order by 1" --format csv
    for table in run_records metric_values epoch_values breakdown_values revision_runs events; do
        echo "$table $(BURSTLAB_RESULTS="$1" "$burstlab" query "select count(*) from $table" --format csv | tail -n 1)"
    done
    find "$1/runs" -name run.toml | wc -l
}

echo "merge of $stores stores of $runs runs: $(measured "$work/merged" "$work/merged.txt")" || fail "$(tail -n 3 "$work/merged.txt")"
echo "once more, with nothing new: $(measured "$work/merged" "$work/again.txt")"
[ "$(grep -c 'nothing new' "$work/again.txt")" = "$stores" ] || fail "a second merge brought something"
contents "$work/merged" > "$work/whole.txt"

BURSTLAB_RESULTS="$work/killed" "$burstlab" merge "$work"/part-* > "$work/killed.txt" 2>&1 &
merge=$!
while [ "$(wc -l < "$work/killed.txt")" -lt $((stores / 2)) ] && kill -0 "$merge" 2> /dev/null; do sleep 0.05; done
kill -9 "$merge" || fail "the merge was over before it could be killed"
wait "$merge" 2> /dev/null || true
echo "killed after $(wc -l < "$work/killed.txt") stores; the same command: $(measured "$work/killed" "$work/continued.txt")"
contents "$work/killed" > "$work/continued-contents.txt"
diff "$work/whole.txt" "$work/continued-contents.txt" || fail "a merge that was killed came to something else"
left=$(find "$work/killed" "${TMPDIR:-/tmp}" -maxdepth 1 \( -name '.draft-*' -o -name 'burstlab-merge-*' \) -newer "$work/parts.toml" | wc -l)
[ "$left" = 0 ] || fail "the killed merge left $left folders behind"
echo "merge: all checks passed"
