#!/usr/bin/env bash
# Trains the models of experiments/NAME.toml on the latest rows of a trace, writes the report, and forecasts one request.
# The scripts train-simple.sh, train-production.sh and train-cpu.sh call it with their experiment and plots.
#
#   scripts/train.sh NAME PLOTS [--sample-size N] [--data-path FILE]
#
# BURSTLAB names the program; without it, it is built here.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
name=$1 plots=$2
shift 2
data="${BURSTLAB_DATASET:-dataset}/burstgpt/BurstGPT_1.csv"
settings=()
while [ $# -gt 0 ]; do
    case "$1" in
        --sample-size | --data-path)
            [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }
            if [ "$1" = --data-path ]; then data=$2; else settings+=(--set "dataset.latest_rows=$2"); fi
            shift 2
            ;;
        -h | --help)
            echo "usage: train-*.sh [--sample-size N] [--data-path FILE]"
            echo "Trains on the latest N requests of a trace: never on a random sample, which would have no order left."
            exit 0
            ;;
        *)
            echo "unknown argument $1; known are --sample-size N and --data-path FILE" >&2
            exit 2
            ;;
    esac
done
if [ ! -f "$data" ]; then
    echo "there is no file $data; name one with --data-path, or fetch BurstGPT: burstlab dataset fetch burstgpt-1" >&2
    exit 2
fi
if [ -n "${BURSTLAB:-}" ]; then
    burstlab() { "$BURSTLAB" "$@"; }
else
    burstlab() { cargo run --release --quiet --manifest-path "$root/Cargo.toml" -- "$@"; }
fi

burstlab run "$root/experiments/$name.toml" --set "dataset.source=$data" ${settings[@]+"${settings[@]}"}
burstlab report "$name" --plots "$plots"
echo "the next request:"
burstlab predict --experiment "$name" --trace "$data"
