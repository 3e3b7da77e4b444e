#!/usr/bin/env bash
# Compares our `tpe` with Optuna's: the median, over 20 seeds, of the best value after 100 trials on three functions.
# Ours proposes in batches of 8, as a sweep does. Optuna's proposes one trial at a time, with its defaults.
#
# Fails if ours is worse on any function: if the 95 % bootstrap interval of the difference of the medians lies above 0, or
# if the median regret (distance to the known minimum) exceeds Optuna's by more than a quarter. The tolerance is
# there because 20 seeds leave the medians uncertain. Random search is the control: it must fail the same test.
#
# scripts/compare-tpe.sh [PYTHON]: PYTHON needs Optuna. Without it, Optuna is installed into a cache folder.
set -euo pipefail
# Symbolic links stay: one of them makes a virtual environment.
python=${1:+$(realpath -s "$(command -v "$1")")}
cd "$(dirname "$0")/.."
if [ -z "$python" ]; then
    venv="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/burstlab/optuna"
    python="$venv/bin/python"
    if ! "$python" -c 'import optuna, numpy' 2>/dev/null; then
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet 'optuna==5.0.0' numpy
    fi
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --release --quiet --example tpe_functions
ours="${CARGO_TARGET_DIR:-target}/release/examples/tpe_functions"
"$ours" tpe 20 100 8 > "$work/tpe"
"$ours" tpe 20 100 1 > "$work/tpe-single"
"$ours" random 20 100 > "$work/random"
exec "$python" scripts/compare_tpe.py "$work"
