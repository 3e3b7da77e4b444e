#!/usr/bin/env bash
# Records the screen of a sweep in tmux at 60, 100 and 200 columns, and checks that no line is wider than the screen, that
# nothing of an earlier drawing stays after the window was resized, after Ctrl-C and at the end, and that the summary stands
# once.
#
#   scripts/check-terminal.sh BURSTLAB [FOLDER]   # the recordings go to a temporary folder, or to this one
#
# Needs tmux and python3.
set -euo pipefail
burstlab=$(realpath "$1")
work=$(mktemp -d)
screens=${2:-$work/screens}
mkdir -p "$screens"
screens=$(realpath "$screens")
tmux() { command tmux -L "burstlab-$$" -f /dev/null "$@"; }
trap 'tmux kill-server 2> /dev/null || true; rm -rf "$work"' EXIT
export LC_ALL=C.UTF-8 BURSTLAB_CACHE=off
# Which tmux this shell itself may run in does not matter.
unset TMUX

# Some baselines, one model that diverges, and runs of some seconds.
cat > "$work/terminal.toml" << 'TOML'
name = "terminal"
[dataset]
source = "synthetic-burstgpt"
max_rows = 3000
[task.next_request]
lookback = 30
[training]
epochs = 300
learning_rate = { grid = [1e30, 1e-3] }
[[models]]
[models.mean]
[[models]]
[models.moving_average]
window = { grid = [5, 10, 20] }
[[models]]
[models.lstm]
hidden = 12
[search]
seeds = [1, 2]
TOML

# start NAME COLUMNS: a shell in a window of its own.
start() {
    tmux new-session -d -s "$1" -x "$2" -y 70 -e BURSTLAB_RESULTS="$work/results-$1" -e PS1='$ ' \
        "cd $work && exec bash --norc --noprofile"
    sleep 0.3
}
type_in() { tmux send-keys -t "$1" "$2" Enter; }
# record SESSION NAME: the screen now. What tmux scrolled off while it broke lines anew is out of reach for any program.
record() { tmux capture-pane -p -t "$1" > "$screens/$2.txt"; }
# wait_for SESSION PATTERN: until the screen shows it, in one line or where a sentence is broken into several.
wait_for() {
    local screen
    for _ in $(seq 1800); do
        screen=$(tmux capture-pane -p -t "$1")
        if grep -qE "$2" <<< "$screen" || tr '\n' ' ' <<< "$screen" | grep -qE "$2"; then return; fi
        sleep 0.1
    done
    echo "waited three minutes for \"$2\" on the screen:"
    echo "$screen"
    exit 1
}
# check NAME COLUMNS live|over: what a recording must hold.
check() {
    python3 - "$screens/$1.txt" "$2" "$3" << 'PYTHON'
import re
import sys
import unicodedata

path, columns, state = sys.argv[1], int(sys.argv[2]), sys.argv[3]
lines = open(path, encoding="utf-8").read().splitlines()
count = lambda pattern: sum(bool(re.search(pattern, line)) for line in lines)
faults = []
for line in lines:
    width = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)
    if width > columns:
        faults.append(f"{width} columns wide: {line}")
counts = {
    "progress lines": (count(r"\d+/\d+ runs"), 1 if state == "live" else 0),
    "lines of counts": (count(r"^\d+ runs: "), 1 if state == "live" else 0),
    "summaries": (count(r"^terminal: \d+ done.* in \d"), 0 if state == "live" else 1),
    "echoes of Ctrl-C": (count(r"\^C"), 0),
}
for what, (found, expected) in counts.items():
    if found != expected:
        faults.append(f"{found} {what} instead of {expected}")
for word, most in (("running", 2), ("best", 1), ("stopping", 1)):
    most = most if state == "live" else 0
    if count(rf"^{word}\b") > most:
        faults.append(f"{count(rf'^{word}')} lines begin with {word}")
# The reasons are longer than 100 columns.
for line in lines:
    if state == "live" and line.startswith("failed") and columns <= 100 and not line.endswith("…"):
        faults.append(f"cut without a mark: {line}")
if faults:
    print(f"{path}:", *faults, *lines, sep="\n")
    sys.exit(1)
PYTHON
    echo "$1: as it should be"
}

for columns in 60 100 200; do
    start "run$columns" "$columns"
    type_in "run$columns" "$burstlab run terminal.toml --slots 2"
    wait_for "run$columns" "^failed .*diverged"
    wait_for "run$columns" "^running "
    record "run$columns" "$columns-live"
    check "$columns-live" "$columns" live
    # Narrower, wider, and back: what was drawn for the old width must go.
    for other in 60 200 75 "$columns"; do
        tmux resize-window -t "run$columns" -x "$other" -y 70
        sleep 0.8
        record "run$columns" "$columns-resized-to-$other"
        if grep -qE '^terminal: [0-9]+ done' "$screens/$columns-resized-to-$other.txt"; then
            echo "the sweep was over before the window had its last size; give it more epochs"
            exit 1
        fi
        check "$columns-resized-to-$other" "$other" live
    done
    wait_for "run$columns" "^report: "
    record "run$columns" "$columns-over"
    check "$columns-over" "$columns" over

    # Ctrl-C once: what runs is finished.
    start "stop$columns" "$columns"
    type_in "stop$columns" "$burstlab run terminal.toml --slots 2 --set training.epochs=100_000"
    # The runs that diverge would end by themselves.
    wait_for "stop$columns" "2 failed, 2 running"
    tmux send-keys -t "stop$columns" C-c
    wait_for "stop$columns" "to stop now"
    record "stop$columns" "$columns-stopping"
    check "$columns-stopping" "$columns" live
    # Ctrl-C again: it stops at once.
    tmux send-keys -t "stop$columns" C-c
    wait_for "stop$columns" "the user stopped it"
    sleep 0.3
    record "stop$columns" "$columns-stopped"
    check "$columns-stopped" "$columns" over
done

# Another process watches a sweep, until it is over and until it is stopped.
for end in over stopped; do
    start "swept-$end" 100
    start "watch-$end" 100
    type_in "swept-$end" "$burstlab run terminal.toml --slots 2"
    wait_for "swept-$end" "^running "
    type_in "watch-$end" "BURSTLAB_RESULTS=$work/results-swept-$end $burstlab watch terminal --interval 200ms"
    wait_for "watch-$end" "^running "
    # Its last line stands before the prompt, which takes the place of nothing.
    tmux resize-window -t "watch-$end" -x 60 -y 70
    sleep 0.8
    record "watch-$end" "watch-$end-live"
    check "watch-$end-live" 60 live
    if [ "$end" = stopped ]; then tmux send-keys -t "swept-$end" C-c C-c; fi
    wait_for "watch-$end" "the sweep (is over|was stopped: the user stopped it)"
    record "watch-$end" "watch-$end"
    grep -c "runs: " "$screens/watch-$end.txt" | grep -qx 1 || { cat "$screens/watch-$end.txt"; exit 1; }
done
echo "the terminal view is as it should be; the recordings are in $screens"
