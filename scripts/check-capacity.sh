#!/usr/bin/env bash
# Acting on forecasts of two weeks of real load, from a fresh clone: scripts/check-capacity.sh BURSTLAB
# Fails if a replay of the saved forecasts differs from what is recorded, if acting on the mean keeps late work within its limit,
# if no model keeps it at its quantile, or if one needs more hours than static provisioning or fewer than knowing the future.
set -euo pipefail
burstlab=$(realpath "$1")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BURSTLAB_RESULTS="$work/results" BURSTLAB_BINARY="$burstlab"
"$burstlab" run experiments/servegen-capacity.toml > /dev/null
"$burstlab" capacity servegen-capacity
exec python3 - <<'PYTHON'
import json, os, subprocess, sys

burstlab = os.environ["BURSTLAB_BINARY"]

def ask(*arguments):
    return json.loads(subprocess.check_output([burstlab, *arguments, "--format", "json"]))[0]

recorded = ask("compare", "servegen-capacity")["capacity"]
replayed = ask("capacity", "servegen-capacity")
del replayed["setting"]
if recorded != replayed:
    sys.exit("the replay of the saved forecasts is not what is recorded")
hours = {row["name"]: row["replica_hours"] for row in recorded["policies"]}
limit = recorded["capacity"]["late_work_at_most"]
for row in recorded["models"]:
    mean = next(point for point in row["frontier"] if point["plan_for"] == "mean")
    if mean["late_work_share"] <= limit:
        sys.exit(f"{row['name']} keeps late work within its limit at its mean: is the load still the real one?")
within = [row for row in recorded["models"] if row["keeps_limit"]]
if not within:
    sys.exit("no model keeps late work within its limit")
for row in within:
    if not hours["oracle"] < row["replica_hours"] < hours["static"]:
        sys.exit(f"{row['name']} needs {row['replica_hours']} replica hours, beside {hours}")
print("replays repeat, and", ", ".join(row["name"] for row in within), "keep late work within its limit")
PYTHON
