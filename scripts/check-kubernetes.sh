#!/usr/bin/env bash
# The manifests of --engine kubernetes against the published schemas of Kubernetes, which the Python package kubernetes-validate
# brings along: scripts/check-kubernetes.sh BURSTLAB [PYTHON]
# Every version since per-index back-off is on by default is asked, strictly: a key that a cluster does not know is an error.
# That the check refuses what is wrong is checked too. No cluster is needed.
set -euo pipefail
burstlab=$(realpath "$1")
python=${2:-python3}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $1"; exit 1; }
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'kubernetes-validate==1.37.0'

export BURSTLAB_RESULTS="$work/results with 'quotes' and \$dollars"
experiment() { # experiment FILE NAME SETTINGS
    cat > "$1" <<TOML
name = "$2"
description = "quotes ' and \\" and \$(HOME), {braces}: - # & * !"
[dataset]
source = "synthetic-burstgpt"
max_rows = 600
[task.next_request]
lookback = 10
[[models]]
[models.persistence]
[[models]]
[models.lstm]
hidden = { grid = [4, 8] }
[search]
seeds = [1, 2]
[scheduler.kubernetes]
image = "registry.example.org:5000/lab/burstlab@sha256:$(printf '0%.0s' {1..64})"
volume = "stores"
$3
TOML
}
experiment "$work/plain.toml" plain ''
experiment "$work/all.toml" "-All_of.it-" 'namespace = "forecast"
volume_size = "50GiB"
parts = 3
parallelism = 2
retries = 4
cpus = 4
gpus = 1
memory = "1500MB"
queue = "team-queue"
labels = { team = "forecast", "example.org/cost-centre" = "42_a.b", empty = "" }'
experiment "$work/long.toml" "$(printf 'a%.0s' {1..100})" 'parts = 1'

export WORK="$work" BURSTLAB="$burstlab"
"$work/venv/bin/python" - <<'PY'
import json
import os
import subprocess
import sys

import kubernetes_validate

VERSIONS = ["1.29", "1.31", "1.33", "1.35", "1.37"]
work = os.environ["WORK"]


def manifests(name, *more):
    call = [os.environ["BURSTLAB"], "run", f"{work}/{name}.toml", "--engine", "kubernetes", "--dry-run", *more]
    done = subprocess.run([*call, "--format", "json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"FAILED: {done.stderr}")
    return json.loads(done.stdout)["manifests"]


def is_valid(manifest, version):
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
        return True
    except kubernetes_validate.ValidationError as error:
        is_valid.reason = f"{version}: {manifest['kind']} {'.'.join(map(str, error.path))}: {error.message}"
        return False


checked = 0
hostile = ["--set", "description=\"it's $(HOME) `x` \\\" : { [ - |\"", "--set", "training.epochs=3", "--force"]
for name, more in [("plain", []), ("all", []), ("all", hostile), ("long", [])]:
    found = manifests(name, *more)
    for version in VERSIONS:
        for manifest in found:
            if not is_valid(manifest, version):
                sys.exit(f"FAILED: {name}: {is_valid.reason}")
            checked += 1
    for manifest in found:
        # Names that pods take theirs from, and what a label holds.
        assert len(manifest["metadata"]["name"]) <= 50, manifest["metadata"]["name"]
        assert all(len(value) <= 63 for value in manifest["metadata"]["labels"].values())

# The schemas refuse what is wrong with a manifest of ours.
job = next(manifest for manifest in manifests("all") if manifest["kind"] == "Job")
for path, value in [
    (["spec", "backoffLimitPerIndex"], "four"),
    (["spec", "backofLimitPerIndex"], 4),
    (["spec", "template", "spec", "containers", 0, "image"], ["a"]),
    (["spec", "template", "spec", "containers", 0, "name"], None),
]:
    wrong = json.loads(json.dumps(job))
    place = wrong
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    if value is None:
        del place[path[-1]]
    if is_valid(wrong, VERSIONS[-1]):
        sys.exit(f"FAILED: {'.'.join(map(str, path))} = {value} passed for valid")
print(f"kubernetes: {checked} manifests are valid in Kubernetes {', '.join(VERSIONS)}")
PY

echo "-- what is not JSON would not be read by a cluster"
"$burstlab" run "$work/all.toml" --engine kubernetes > "$work/written.txt"
for file in "$BURSTLAB_RESULTS"/kubernetes/*/*.json; do
    "$work/venv/bin/python" -c 'import json, sys, yaml
text = open(sys.argv[1]).read()
assert json.loads(text) == yaml.safe_load(text), "it is read differently as YAML"' "$file" || fail "$file"
done
"$burstlab" run "$work/all.toml" --engine kubernetes --dry-run > /dev/null
echo "kubernetes: all checks passed"
