#!/usr/bin/env bash
# `burstlab serve` as autoscalers and monitoring use it: a file that grows, read by curl and by a real Prometheus; rows by POST; an
# input that falls silent. Fails unless every forecast is that of `burstlab predict` for the same rows, to the bit.
# scripts/check-serve.sh BURSTLAB [DATA]
# With DATA, also on the real Azure trace there. Needs curl, python3, prometheus and promtool (Debian's package prometheus).
set -euo pipefail
fail() { echo "FAILED: $1"; exit 1; }
[ $# -ge 1 ] || fail "usage: check-serve.sh BURSTLAB [DATA]"
burstlab=$(realpath "$1")
data=${2:+$(realpath "$2")}
cd "$(dirname "$0")/.."
for program in curl python3 prometheus promtool; do
    command -v "$program" > /dev/null || fail "there is no $program on this machine (apt-get install curl python3 prometheus)"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BURSTLAB_RESULTS="$work/results" BURSTLAB_CACHE="$work/cache" BURSTLAB_BINARY="$burstlab" WORK="$work"
unset BURSTLAB_TOKEN
"$burstlab" run experiments/servegen-capacity.toml --set 'search.seeds=[1]' --set training.epochs=2 > /dev/null
if [ -n "$data" ]; then
    trace="$data/azure/AzureLLMInferenceTrace_conv.csv"
    [ -f "$trace" ] || fail "the real trace $trace is missing"
    cat > "$work/azure.toml" <<TOML
name = "azure"
[dataset]
source = "$trace"
[task.window_load]
window = "5s"
lookback = 24
horizon = 4
[capacity]
prefill_tokens_per_s = 6_000
decode_tokens_per_s = 1_000
cold_start = "10s"
scale_down_after = "30s"
[training]
epochs = 2
[[models]]
[models.dlinear]
TOML
    "$burstlab" run "$work/azure.toml" > /dev/null
    export AZURE="$trace"
fi
python3 scripts/check_serve.py
