#!/usr/bin/env bash
# Acting on forecasts of two weeks of real load, from a fresh clone: scripts/check-capacity.sh BURSTLAB
# Fails if a replay of the saved forecasts differs from what is recorded, if acting on the mean keeps late work within its limit,
# if no model keeps it at its quantile, or if one needs more hours than static provisioning or fewer than knowing the future; and if
# one of the predictors of planners is not what docs/planners.md says: significantly better than the best naive baseline, or within
# the limit at its mean.
set -euo pipefail
burstlab=$(realpath "$1")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BURSTLAB_RESULTS="$work/results" BURSTLAB_BINARY="$burstlab"
"$burstlab" run experiments/servegen-capacity.toml > /dev/null
"$burstlab" capacity servegen-capacity
"$burstlab" run experiments/planner-predictors-servegen.toml > /dev/null
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
planners = ask("compare", "planner-predictors-servegen")
predictors = {"persistence", "arima", "kalman", "prophet"}
for row in planners["models"]:
    if row["model"] in predictors and row["skill"] and row["skill"] > 0 and (row["p_value"] or 1) < 0.05:
        sys.exit(f"{row['label']} beats the best naive baseline significantly, which docs/planners.md denies")
acting = [row for row in planners["capacity"]["models"] if row["name"].split()[0] in predictors]
if len(acting) != len(predictors):
    sys.exit(f"predictors are missing: {[row['name'] for row in acting]}")
for row in acting:
    mean = next(point for point in row["frontier"] if point["plan_for"] == "mean")
    if mean["late_work_share"] <= planners["capacity"]["capacity"]["late_work_at_most"]:
        sys.exit(f"{row['name']} keeps late work within its limit at its mean, which docs/planners.md denies")
print("no predictor of planners beats the naive baselines, and all are late at their means")
print("replays repeat, and", ", ".join(row["name"] for row in within), "keep late work within its limit")
PYTHON
