#!/usr/bin/env bash
# The example manifests of docs/manifests against the published schemas of KEDA and AIBrix (scripts/manifest-schemas), and the
# configuration and the rules of Prometheus with its own promtool.
# scripts/check-manifests.sh
# Needs python3 with venv and a Python package index, and promtool (Debian's package prometheus).
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "FAILED: $1"; exit 1; }
command -v promtool > /dev/null || fail "there is no promtool on this machine (apt-get install prometheus)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'jsonschema>=4.20' 'pyyaml>=6' || fail "pip could not install jsonschema and pyyaml"
"$work/venv/bin/python" scripts/check_manifests.py docs/manifests scripts/manifest-schemas
cp docs/manifests/prometheus.yml docs/manifests/alerts.yml "$work/"
# The token stands in a file that only a cluster has.
sed -i "s#/etc/prometheus/burstlab-token#$work/token#" "$work/prometheus.yml"
echo token > "$work/token"
promtool check config "$work/prometheus.yml" || fail "promtool refuses docs/manifests/prometheus.yml"
echo "the manifests pass"
