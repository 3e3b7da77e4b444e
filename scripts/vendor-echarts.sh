#!/usr/bin/env bash
# Takes Apache ECharts from its npm package into src/web/dashboard/assets, or with --check fails if what is there differs from the
# package. scripts/vendor-echarts.sh [--check]. Needs npm, and a registry that it can reach.
set -euo pipefail
cd "$(dirname "$0")/.."
version=6.1.0
assets=src/web/dashboard/assets
fail() { echo "FAILED: $1"; exit 1; }
command -v npm > /dev/null || fail "there is no npm on this machine (apt-get install npm)"
case "${1:-}" in "" | --check) ;; *) fail "unknown argument $1; --check is the only one" ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "echarts@$version" > /dev/null) || fail "npm could not fetch echarts $version"
tar -xzf "$work/echarts-$version.tgz" -C "$work"
mkdir "$work/taken"
install -m 644 "$work/package/dist/echarts.min.js" "$work/taken/echarts.min.js"
install -m 644 "$work/package/LICENSE" "$work/taken/echarts.LICENSE"
install -m 644 "$work/package/NOTICE" "$work/taken/echarts.NOTICE"
install -m 644 "$work/package/licenses/LICENSE-d3" "$work/taken/echarts.LICENSE-d3"
(cd "$work/taken" && LC_ALL=C sha256sum echarts.* > "$work/echarts.sha256" && mv "$work/echarts.sha256" .)

if [ "${1:-}" = "--check" ]; then
    for file in "$work"/taken/*; do
        cmp "$file" "$assets/$(basename "$file")" || fail "$assets/$(basename "$file") is not that of echarts $version"
    done
    echo "the vendored ECharts is that of the npm package echarts $version"
else
    cp "$work"/taken/* "$assets/"
    cat "$assets/echarts.sha256"
fi
