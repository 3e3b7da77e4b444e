#!/usr/bin/env bash
# The wheel and its Python package, in fresh virtual environments: check-python.sh BURSTLAB [WHEEL]
# Builds the wheel (or takes WHEEL), installs it, runs the quickstart through it, compares what it reads with what BURSTLAB
# prints, and runs the package's tests, mypy --strict and the notebook. The tests of saved models run with Debian's PyTorch
# (root), which is smaller than PyPI's. Needs Python 3.11 or later.
set -euo pipefail
burstlab=$(realpath "$1")
wheel=${2:+$(realpath "$2")}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BURSTLAB_RESULTS="$work/results" PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -m venv "$work/venv"
bin="$work/venv/bin"
if [ -z "$wheel" ]; then
    "$bin/pip" install --quiet 'maturin>=1.9,<2'
    "$bin/maturin" build --release --quiet --out "$work/wheels"
    wheel=$(echo "$work"/wheels/burstlab-*.whl)
fi
echo "wheel: $(basename "$wheel")"
"$bin/pip" install --quiet "$wheel[polars,pandas]" pytest mypy nbclient ipykernel matplotlib
[ "$("$bin/burstlab" --version)" = "$("$burstlab" --version)" ] || { echo "FAILED: the wheel has another version"; exit 1; }

# From an empty folder, so that it is the installed package that is imported.
mkdir "$work/empty"
(cd "$work/empty" && "$bin/python" - "$OLDPWD" "$burstlab" << 'PYTHON'
import json, subprocess, sys
import burstlab
repository, program = sys.argv[1:]
assert burstlab.find_program().startswith(sys.prefix) and burstlab.__file__.startswith(sys.prefix), burstlab.__file__
results = burstlab.run(f"{repository}/experiments/quickstart.toml")
printed = json.loads(subprocess.run([program, "runs", "--format", "json"], capture_output=True, check=True).stdout)
assert {run["run_id"] for run in printed} == set(results.runs()["run_id"]) and len(printed) == 9
valid = results.metrics(part="valid", target="all", unit="scaled", name="mse")
assert {run["run_id"]: run["metrics"]["valid.mse"] for run in printed} == dict(valid.select("run_id", "value").rows())
for run in printed:
    assert results.predictions(run["run_id"]).height > 1_000
assert len(results.compare("quickstart").leaderboards[0].models) == 5 and results.trials("quickstart").height == 6
print(f"burstlab {burstlab.__version__} read what {program} prints")
PYTHON
)

tests=python/tests
"$bin/python" -m pytest --quiet -p no:cacheprovider "$tests" --ignore "$tests/test_models.py"
"$bin/python" -m mypy --cache-dir "$work/mypy"
"$bin/python" scripts/run_notebook.py

if ! /usr/bin/python3 -c 'import torch' 2> /dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-torch python3-venv > /dev/null
fi
/usr/bin/python3 -m venv --system-site-packages "$work/torch"
"$work/torch/bin/pip" install --quiet "$wheel[polars]" pytest
"$work/torch/bin/python" -m pytest --quiet -p no:cacheprovider "$tests/test_models.py"
"$bin/python" -m mypy --cache-dir "$work/mypy" --python-executable "$work/torch/bin/python" python/burstlab
