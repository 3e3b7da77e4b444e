#!/usr/bin/env bash
# What a real GPU gives, on a machine that needs no network and no compiler:
#
#   scripts/check-gpu.sh prepare FILE.tar.xz [TRACE.csv]   here: builds with wgpu, and puts everything into one file below 60 MB
#   tar xf FILE.tar.xz && gpu/check-gpu.sh run             there: at most 8 minutes; prints what is listed below
#
# It prints the adapter, runs on it against the same runs on the CPU, packs against runs alone, steps a second of single runs
# and of packs of 8, 24 and 96 for two shapes of an LSTM, a sweep of 96 runs from end to end on the GPU and on the CPU, memory
# and load of the GPU while it goes on, and PyTorch's time for the same steps where it is installed. DEVICE (wgpu by default) is
# the device that is measured, BUDGET_S how long it may take. For `prepare`, BURSTLAB names a binary that is built already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

prepare() {
    local file trace binary=${BURSTLAB:-}
    file=$(realpath -m "$1")
    trace=${2:-$(find "$here/../dataset" -name '*.csv' -path '*zure*' | head -n 1)}
    trace=$(realpath "$trace")
    cd "$here/.."
    if [ -z "$binary" ]; then
        cargo build --release --features wgpu
        binary="${CARGO_TARGET_DIR:-target}/release/burstlab"
    fi
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/gpu/lib"
    strip -o "$work/gpu/burstlab" "$binary"
    cp "$trace" "$work/gpu/trace.csv"
    cp scripts/check-gpu.sh scripts/compare-devices.sh scripts/compare-packs.sh scripts/time-training.sh "$work/gpu/"
    # The loader is all that a machine with a driver may lack.
    cp -L "$(ldconfig -p | awk '/libvulkan.so.1 .*x86-64/ { print $NF; exit }')" "$work/gpu/lib/libvulkan.so.1"
    tar -C "$work" -cf - gpu | xz -T0 -6 > "$file"
    local bytes
    bytes=$(stat -c %s "$file")
    echo "$file: $((bytes >> 20)) MiB"
    [ "$bytes" -lt $((60 << 20)) ] || { echo "it is larger than 60 MB" >&2; return 1; }
}

# At least a second: a limit of 0 would be none.
left() { local left=$((${BUDGET_S:-480} - SECONDS)); echo $((left > 0 ? left : 1)); }

# DEVICE PACK RUNS HIDDEN LAYERS BATCH: steps a second, and seconds from end to end. It gets a part of what is left, so that one
# that fails and is tried again does not cost all others their turn.
train() { timeout "$(($(left) / 3 + 1))" "$here/time-training.sh" "$burstlab" "$@" "$trace"; }

watch_card() {
    command -v nvidia-smi > /dev/null || return 0
    while sleep 1; do
        timeout 20 nvidia-smi --query-gpu=memory.used,utilization.gpu --format=csv,noheader,nounits
    done > "$work/card.csv" 2> /dev/null
}

run() {
    local device=${DEVICE:-wgpu}
    burstlab="${BURSTLAB:-$here/burstlab}" trace="${TRACE:-$here/trace.csv}"
    work=$(mktemp -d)
    export LD_LIBRARY_PATH="$here/lib:${LD_LIBRARY_PATH:-}"
    export BURSTLAB_CACHE="$work/cache"
    mkdir -m 700 "$work/runtime"
    export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-$work/runtime}"
    timeout 20 nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2> /dev/null || echo "no nvidia-smi"
    command -v vulkaninfo > /dev/null && timeout 20 vulkaninfo --summary 2> /dev/null | grep -E "deviceName|driverInfo" || true
    watch_card &
    watcher=$!
    trap 'kill "$watcher" 2> /dev/null || true; rm -rf "$work"' EXIT
    echo "== $device against the CPU"
    timeout "$(left)" "$here/compare-devices.sh" "$burstlab" "$device" "$trace"
    echo "== packs against runs alone"
    # A budget that is spent leaves the rest out; metrics that differ end it all.
    local code=0
    timeout "$(left)" "$here/compare-packs.sh" "$burstlab" "$device" "$trace" "${RUNS:-8}" || code=$?
    case $code in
        0) ;;
        124) echo "no time is left for the rest" ;;
        *) exit "$code" ;;
    esac
    for shape in "32 1 32" "64 2 256"; do
        read -r hidden layers batch <<< "$shape"
        echo "== hidden $hidden, layers $layers, batch $batch: steps a second of all runs together"
        for pack in 1 8 24 96; do
            [ "$(left)" -gt 60 ] || { echo "no time is left for a pack of $pack"; continue; }
            local title="a pack of $pack" code=0
            [ "$pack" != 1 ] || title="runs alone"
            speed=$(train "$device" "$pack" "$((pack == 1 ? 3 : pack))" "$hidden" "$layers" "$batch") || code=$?
            case $code in
                0) echo "$title: ${speed% *}" ;;
                3) echo "$title: this GPU takes no such pack" ;;
                *) echo "$title: it did not end in time, or failed"; break ;;
            esac
        done
    done
    if [ "$(left)" -gt 90 ]; then
        echo "== 96 runs of hidden 32 from end to end, in seconds"
        whole=$(train "$device" auto 96 32 1 32) || whole="- did not end in time, or failed"
        echo "$device: ${whole#* }"
        if [ "$(left)" -gt 60 ]; then
            whole=$(SLOTS=$(nproc) train cpu 1 96 32 1 32) || whole="- did not end in time, or failed"
            echo "cpu, $(nproc) cores: ${whole#* }"
        fi
    fi
    if [ -s "$work/card.csv" ]; then
        python3 - "$work/card.csv" <<'PY'
import sys

rows = [[float(cell) for cell in line.split(",")] for line in open(sys.argv[1]) if line.count(",") == 1]
print(f"the card: at most {max(row[0] for row in rows):.0f} MiB, load {sum(row[1] for row in rows) / len(rows):.0f} % on average")
PY
    fi
    python3 - <<'PY' || true
import time

try:
    import torch
except ImportError:
    raise SystemExit("PyTorch is not installed")
if not torch.cuda.is_available():
    raise SystemExit("PyTorch finds no GPU")
for hidden, layers, batch in ((32, 1, 32), (64, 2, 256)):
    lstm = torch.nn.LSTM(3, hidden, layers, batch_first=True).cuda()
    head = torch.nn.Linear(hidden, 3).cuda()
    adam = torch.optim.Adam([*lstm.parameters(), *head.parameters()])
    data = torch.randn(batch, 50, 3, device="cuda")
    for steps in (20, 200):
        torch.cuda.synchronize()
        started = time.time()
        for _ in range(steps):
            adam.zero_grad()
            head(lstm(data)[0][:, -1]).square().mean().backward()
            adam.step()
        torch.cuda.synchronize()
    print(f"PyTorch, hidden {hidden}, layers {layers}, batch {batch}: {steps / (time.time() - started):.0f} steps a second")
PY
}

case "${1:-}" in
    prepare) prepare "${@:2}" ;;
    run) run ;;
    *) sed -n '2,10p' "$0"; exit 2 ;;
esac
