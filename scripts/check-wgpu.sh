#!/usr/bin/env bash
# Trains on a GPU through wgpu, or on Mesa's software Vulkan (lavapipe) where there is none: the metrics are compared with
# those of the CPU, those of packs with those of runs alone, and the speed of a pack of RUNS (24) with that of runs alone:
# scripts/check-wgpu.sh [DATA]. The build takes ten minutes or more, so run it when training code changes; BURSTLAB names a
# binary that is built already. ROWS and SHAPES are what is timed (see time-training.sh and compare-packs.sh).
set -euo pipefail
data=$(realpath "${1:-$(dirname "$0")/../dataset/fixtures}")
cd "$(dirname "$0")/.."
if [ ! -e /usr/share/vulkan/icd.d ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers > /dev/null
fi
binary=${BURSTLAB:-}
if [ -z "$binary" ]; then
    cargo build --release --features wgpu
    binary="${CARGO_TARGET_DIR:-target}/release/burstlab"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -m 700 "$work/runtime"
export XDG_RUNTIME_DIR="$work/runtime"
# A software renderer is slow: few rows, and the smaller of two shapes.
export ROWS=${ROWS:-400} SHAPES=${SHAPES:-32 1 32}
trace=$(find "$data" -name '*.csv' -path '*zure*' | head -n 1)
scripts/compare-devices.sh "$binary" wgpu "$trace"
scripts/compare-packs.sh "$binary" wgpu "$trace" "${RUNS:-24}"
cat > "$work/auto.toml" <<TOML
name = "auto"
[dataset]
source = "$trace"
max_rows = 700
[task.next_request]
lookback = 8
[[models]]
[models.lstm]
hidden = 8
TOML
auto=$("$binary" run "$work/auto.toml" --dry-run --device auto | grep "device auto")
echo "$auto"
if ! compgen -G '/dev/dri/renderD*' > /dev/null && [ ! -e /dev/nvidia0 ]; then
    # Without a card there is only the software renderer, which `auto` must not take.
    grep -q "is the CPU" <<< "$auto"
fi
echo "wgpu: all checks passed"
