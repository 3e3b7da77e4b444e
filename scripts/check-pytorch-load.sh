#!/usr/bin/env bash
# Saved models load in PyTorch and give the same forecasts there: scripts/check-pytorch-load.sh BURSTLAB DATA [PYTHON]
# PYTHON needs torch, pandas and polars. Without it, this installs Debian's PyTorch and pandas (root), which are smaller
# than PyPI's, and polars into a cache folder.
set -euo pipefail
burstlab=$(realpath "$1")
trace=$(realpath "$2")/azure/AzureLLMInferenceTrace_conv.csv
[ -f "$trace" ] || { echo "the real trace $trace is missing"; exit 1; }
# Symbolic links stay: one of them makes a virtual environment.
python=${3:+$(realpath -s "$(command -v "$3")")}
cd "$(dirname "$0")/.."
if [ -z "$python" ]; then
    venv="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/burstlab/pytorch"
    python="$venv/bin/python"
    if ! "$python" -c 'import torch, pandas, polars' 2>/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            python3-torch python3-pandas python3-venv > /dev/null
        /usr/bin/python3 -m venv --system-site-packages "$venv"
        "$venv/bin/pip" install --quiet "polars<2"
    fi
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BURSTLAB_RESULTS="$work/results"
cat > "$work/torch.toml" <<TOML
name = "torch"
[dataset]
source = "$trace"
[task.next_request]
lookback = 50
horizon = 2
[training]
epochs = 1
[[models]]
[models.lstm]
hidden = 32
layers = 2
[[models]]
[models.gru]
hidden = 20
[[models]]
[models.tcn]
kernel = 4
[[models]]
[models.linear]
[[models]]
[models.nlinear]
per_channel = true
[[models]]
[models.dlinear]
per_channel = { grid = [false, true] }
TOML
"$burstlab" run "$work/torch.toml" > /dev/null
"$python" scripts/check_pytorch_load.py "$BURSTLAB_RESULTS" "$trace"
