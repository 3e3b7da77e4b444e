#!/usr/bin/env bash
# Measures burstlab beside its peers on this machine: every piece of work alternates with the same work in PyTorch, JAX,
# pandas or Optuna, and the medians are compared. Prints a Markdown table and writes JSON beside it.
#
#   PYTHON=venv/bin/python scripts/bench.sh BASELINES AZURE.csv [OUT.json]
#
# BASELINES is the folder with torch_baseline.py, jax_baseline.py, pandas_baseline.py and optuna_baseline.py; PYTHON needs
# torch, jax, optax, pandas and optuna. Nothing is installed. Leave the machine alone while it runs (some ten minutes).
set -euo pipefail
cd "$(dirname "$0")/.."
baselines=$(realpath "${1:?the folder of the baselines}")
trace=$(realpath "${2:?the Azure conversation trace}")
out=$(realpath -m "${3:-bench.json}")
python=${PYTHON:-python3}
"$python" -c 'import torch, jax, optax, pandas, optuna' || {
    echo "bench.sh: $python lacks torch, jax, optax, pandas or optuna" >&2
    exit 1
}
for baseline in torch jax pandas optuna; do
    [ -f "$baselines/${baseline}_baseline.py" ] || { echo "bench.sh: no $baselines/${baseline}_baseline.py" >&2; exit 1; }
done
cargo build --release --quiet
target=${CARGO_TARGET_DIR:-target}
peers=$(cargo bench --bench peers --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"name":"peers".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
BURSTLAB=$target/release/burstlab PEERS=$peers BASELINES=$baselines TRACE=$trace OUT=$out exec "$python" scripts/bench.py
