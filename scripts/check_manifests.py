"""Checks example manifests: check_manifests.py MANIFESTS SCHEMAS. Used by check-manifests.sh."""

import json
import re
import sys
from pathlib import Path

import jsonschema
import yaml

manifests, schemas = map(Path, sys.argv[1:3])
known = {}
for path in schemas.glob("*-*.json"):
    schema = json.loads(path.read_text())
    if "schema" in schema:
        known[schema["apiVersion"], schema["kind"]] = schema["schema"]
triggers = json.loads((schemas / "keda-triggers.json").read_text())
faults = []
checked = set()


def check_trigger(place, trigger):
    parameters = triggers.get(trigger["type"])
    if parameters is None:
        faults.append(f"{place}: the parameters of the trigger {trigger['type']} are not known")
        return
    given = set(trigger["metadata"])
    for name in sorted(given - set(parameters["known"])):
        faults.append(f"{place}: the trigger {trigger['type']} has no parameter {name}")
    for name in sorted(set(parameters["required"]) - given):
        faults.append(f"{place}: the trigger {trigger['type']} needs the parameter {name}")


for path in sorted(manifests.glob("*.yaml")):
    for document in yaml.safe_load_all(path.read_text()):
        kind = (document.get("apiVersion"), document.get("kind"))
        if kind == (None, None):
            # Values of a Helm chart, which publishes no schema of them.
            continue
        if kind not in known:
            faults.append(f"{path}: there is no schema of {kind}")
            continue
        checked.add(kind)
        for error in jsonschema.Draft202012Validator(known[kind]).iter_errors(document):
            faults.append(f"{path}: {'.'.join(map(str, error.absolute_path))}: {error.message}")
        for trigger in document.get("spec", {}).get("triggers", []):
            check_trigger(path, trigger)

for path in sorted(manifests.glob("*.json")):
    json.loads(path.read_text())

# A check that finds nothing to check, or that lets anything pass, would say that all is well.
if checked != set(known):
    faults.append(f"no manifest for {sorted(set(known) - checked)}")
wrong = yaml.safe_load((manifests / "keda-prometheus.yaml").read_text())
wrong["spec"]["minReplicas"] = 1
schema = known["keda.sh/v1alpha1", "ScaledObject"]
if not list(jsonschema.Draft202012Validator(schema).iter_errors(wrong)):
    faults.append("the schema of KEDA lets an unknown key pass")

# What the manifests ask for is checked against a page of metrics by check-serve.sh.
names = sorted({name for path in manifests.iterdir() for name in re.findall(r"burstlab_[a-z_]+", path.read_text())})
if not names:
    faults.append("the manifests name no metric")
if faults:
    sys.exit("FAILED:\n" + "\n".join(faults))
print(f"{len(checked)} kinds of manifests hold to their schemas; they name {', '.join(names)}")
