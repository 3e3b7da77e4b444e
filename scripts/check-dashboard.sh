#!/usr/bin/env bash
# The dashboard in headless Chromium, as its readers use it: every kind of chart; a sweep that goes live; sorting, filtering,
# comparing, tags, SQL; light and dark; 400 pixels; the keyboard; without a script. Fails on an error of the console, a request
# elsewhere, or a label or contrast that axe-core finds. Screenshots of every page stay in the folder.
# scripts/check-dashboard.sh BURSTLAB SCREENSHOT_FOLDER
# Needs chromium (CHROMIUM names another), node 20 or newer and npm, which installs playwright-core and axe-core into a
# temporary folder.
set -euo pipefail
fail() { echo "FAILED: $1"; exit 1; }
[ $# -eq 2 ] || fail "usage: check-dashboard.sh BURSTLAB SCREENSHOT_FOLDER"
burstlab=$(realpath "$1")
folder=$(realpath -m "$2")
cd "$(dirname "$0")/.."
source scripts/browser/chromium.sh
for program in node npm; do
    command -v "$program" > /dev/null || fail "there is no $program on this machine (apt-get install nodejs npm; 20 or newer)"
done
[ "$(node --print 'process.versions.node.split(".")[0]')" -ge 20 ] || fail "node $(node --version) is too old; 20 or newer is needed"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r scripts/browser "$work/browser"
(cd "$work/browser" && npm ci --silent --no-audit --no-fund --ignore-scripts) || fail "npm could not install scripts/browser/package.json"
mkdir -p "$folder"
# Side by side: each has a browser of its own.
ASSETS="$PWD/src/web/dashboard/assets" in_browser node "$work/browser/charts.mjs" "$folder" > "$work/charts.txt" 2>&1 &
charts=$!
passes=1
BURSTLAB_CACHE="$work/cache" in_browser node "$work/browser/dashboard.mjs" "$burstlab" "$folder" || passes=
wait "$charts" || passes=
cat "$work/charts.txt"
[ -n "$passes" ] || fail "the dashboard does not pass in the browser"
echo "the dashboard passes in the browser"
