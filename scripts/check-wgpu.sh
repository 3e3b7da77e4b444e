#!/usr/bin/env bash
# Trains on a GPU through wgpu, or on Mesa's software Vulkan (lavapipe) where there is none: the metrics are compared with
# those of the CPU, those of packs with those of runs alone, and a pack of 24 is timed against 24 runs alone:
# scripts/check-wgpu.sh [DATA]. The build takes ten minutes or more, so run it when training code changes.
set -euo pipefail
data=$(realpath "${1:-$(dirname "$0")/../dataset/fixtures}")
cd "$(dirname "$0")/.."
if [ ! -e /usr/share/vulkan/icd.d ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers > /dev/null
fi
cargo build --release --features wgpu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -m 700 "$work/runtime"
export XDG_RUNTIME_DIR="$work/runtime"
trace=$(find "$data" -name '*.csv' -path '*zure*' | head -n 1)
cat > "$work/gpu.toml" <<TOML
name = "gpu"
[dataset]
source = "$trace"
max_rows = 700
[task.next_request]
lookback = 8
[training]
epochs = 2
batch_size = 64
[[models]]
[models.lstm]
hidden = 8
[[models]]
[models.gru]
hidden = 8
[[models]]
[models.dlinear]
kernel = 5
TOML
binary="${CARGO_TARGET_DIR:-target}/release/burstlab"
for device in cpu wgpu; do
    BURSTLAB_RESULTS="$work/$device" "$binary" run "$work/gpu.toml" --device "$device" --slots 1
    BURSTLAB_RESULTS="$work/$device" "$binary" query --format csv \
        "select model, device, value from runs join metrics using (run_id)
         where part = 'test' and target = 'all' and name = 'mse' order by model" | tee "$work/$device.csv"
done
python3 - "$work/cpu.csv" "$work/wgpu.csv" <<'PY'
import csv
import sys

cpu, gpu = (list(csv.DictReader(open(path))) for path in sys.argv[1:])
assert len(cpu) == len(gpu) == 3, (cpu, gpu)
for a, b in zip(cpu, gpu):
    assert b["device"].startswith("wgpu"), b
    apart = abs(float(a["value"]) / float(b["value"]) - 1)
    print(f"{a['model']}: test mse {a['value']} on the CPU, {b['value']} through wgpu, {apart:.1e} apart")
    assert apart < 1e-3, "the two devices train different models"
PY
"$(dirname "$0")/compare-packs.sh" "$binary" wgpu "$trace"
auto=$("$binary" run "$work/gpu.toml" --dry-run --device auto | grep "device auto")
echo "$auto"
if ! ls /dev/dri/renderD* /dev/nvidia0 > /dev/null 2>&1; then
    # Without a card there is only the software renderer, which `auto` must not take.
    grep -q "is the CPU" <<< "$auto"
fi
echo "wgpu: all checks passed"
