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

# Some baselines, one model that diverges, and runs as long as `sweep` wants them.
cat > "$work/terminal.toml" << 'TOML'
name = "terminal"
[dataset]
source = "synthetic-burstgpt"
max_rows = 3000
[task.next_request]
lookback = 30
[training]
epochs = 1
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

# How long a sweep takes depends on the machine. One that ends before all is seen is tried again with four times the epochs.
epochs=300
# sweep SESSION COLUMNS EPOCHS: a sweep in a window of its own.
sweep() {
    start "$1" "$2"
    type_in "$1" "$burstlab run terminal.toml --slots 2 --set training.epochs=$3"
}
# is_live SESSION NAME COLUMNS: records the screen and checks that of a sweep that runs; `live` says whether it still does.
is_live() {
    record "$1" "$2"
    live=true
    if grep -qE '^terminal: [0-9]+ done|the sweep is over' "$screens/$2.txt"; then live=false; else check "$2" "$3" live; fi
}
# again WHAT: four times the epochs, up to a limit.
again() {
    epochs=$((epochs * 4))
    echo "$1: the sweep was over too soon; once more with $epochs epochs"
    [ "$epochs" -le 100000 ] || { echo "no number of epochs lets a sweep last"; exit 1; }
}

# resized COLUMNS: narrower, wider, and back while a sweep runs: what was drawn for the old width must go.
resized() {
    local session=run$1-$epochs other
    sweep "$session" "$1" "$epochs"
    wait_for "$session" "^failed .*diverged"
    wait_for "$session" "^running |^report: "
    is_live "$session" "$1-live" "$1"
    for other in 60 200 75 "$1"; do
        if ! "$live"; then return; fi
        tmux resize-window -t "$session" -x "$other" -y 70
        sleep 0.8
        is_live "$session" "$1-resized-to-$other" "$other"
    done
    if ! "$live"; then return; fi
    wait_for "$session" "^report: "
    record "$session" "$1-over"
    check "$1-over" "$1" over
}
for columns in 60 100 200; do
    resized "$columns"
    until "$live"; do
        again "$columns columns"
        resized "$columns"
    done

    # Ctrl-C once: what runs is finished.
    sweep "stop$columns" "$columns" 100_000
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

# watched END EPOCHS: another process watches a sweep, until it is over or stopped.
watched() {
    local swept=swept-$1-$2 watch=watch-$1-$2
    sweep "$swept" 100 "$2"
    wait_for "$swept" "^running |^report: "
    start "$watch" 100
    type_in "$watch" "BURSTLAB_RESULTS=$work/results-$swept $burstlab watch terminal --interval 200ms"
    wait_for "$watch" "^running |the sweep is over"
    # Its last line stands before the prompt, which takes the place of nothing.
    tmux resize-window -t "$watch" -x 60 -y 70
    sleep 0.8
    is_live "$watch" "watch-$1-live" 60
    if ! "$live"; then return; fi
    if [ "$1" = stopped ]; then
        tmux send-keys -t "$swept" C-c
        wait_for "$swept" "to stop now"
        tmux send-keys -t "$swept" C-c
        wait_for "$watch" "the sweep was stopped: the user stopped it"
    else
        wait_for "$watch" "the sweep is over"
    fi
    record "$watch" "watch-$1"
    [ "$(grep -c "runs: " "$screens/watch-$1.txt")" = 1 ] || { cat "$screens/watch-$1.txt"; exit 1; }
}
watched over "$epochs"
until "$live"; do
    again "watch"
    watched over "$epochs"
done
watched stopped 100_000
"$live" || { echo "the sweep was over before it could be stopped"; exit 1; }
echo "the terminal view is as it should be; the recordings are in $screens"
