#!/usr/bin/env bash
# Measures burstlab beside its peers on this machine: each piece of work alternates with the same work in PyTorch, JAX,
# pandas, Optuna or statsforecast, and the medians are compared. Prints a Markdown table and writes JSON beside it.
#
#   PYTHON=venv/bin/python scripts/bench.sh BASELINES AZURE.csv [OUT.json]
#
# BASELINES is the folder with torch_baseline.py, jax_baseline.py, jax_sweep_baseline.py, pandas_baseline.py and
# optuna_baseline.py. PYTHON needs torch, jax, optax, pandas, optuna and statsforecast; this script installs nothing. The row arima
# needs statsforecast alone, and reads nothing from BASELINES. Leave the machine alone while it runs: five rounds take about half
# an hour on two cores.
#
#   ROUNDS=1 ROWS=sweep scripts/bench.sh ...
#
# runs fewer rounds (5 by default) and only some rows: any of step, epoch, inference, sweep, overhead, trace and arima,
# with commas between them.
set -euo pipefail
baselines=$(realpath "${1:?the folder of the baselines}")
trace=$(realpath "${2:?the Azure conversation trace}")
out=$(realpath -m "${3:-bench.json}")
# A program named by a path is relative to the caller's folder. Symbolic links stay: one of them makes a virtual environment.
python=$(command -v "${PYTHON:-python3}") || { echo "bench.sh: there is no ${PYTHON:-python3}" >&2; exit 1; }
python=$(realpath -s "$python")
cd "$(dirname "$0")/.."
packages="torch, jax, optax, pandas, optuna, statsforecast"
needed="torch jax jax_sweep pandas optuna"
if [ "${ROWS:-}" = arima ]; then
    packages=statsforecast
    needed=""
fi
"$python" -c "import $packages" || { echo "bench.sh: $python needs $packages" >&2; exit 1; }
for baseline in $needed; do
    [ -f "$baselines/${baseline}_baseline.py" ] || { echo "bench.sh: no $baselines/${baseline}_baseline.py" >&2; exit 1; }
done
# Cargo names the files that it built by absolute paths, wherever its target folder is.
built() {
    local path
    path=$(cargo "$@" --message-format=json-render-diagnostics | "$python" -c '
import json, sys
built = [json.loads(line) for line in sys.stdin]
print(([""] + [one["executable"] for one in built if one.get("executable")])[-1])')
    [ -x "$path" ] || { echo "bench.sh: cargo $* built no program" >&2; exit 1; }
    printf '%s' "$path"
}
burstlab=$(built build --release --bin burstlab)
peers=$(built bench --bench peers --no-run)
BURSTLAB=$burstlab PEERS=$peers BASELINES=$baselines TRACE=$trace OUT=$out exec "$python" scripts/bench.py
