#!/usr/bin/env bash
# The program on an emulated x86-64 processor without AVX: scripts/check-old-processor.sh BURSTLAB
# The kernels and the recurrent layers pass their tests there, and saved models give the same forecasts as here.
# Installs qemu-user where it is absent (Debian, as root).
set -euo pipefail
burstlab=$(realpath "$1")
cd "$(dirname "$0")/.."
command -v qemu-x86_64 > /dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-user > /dev/null
}
old="qemu-x86_64 -cpu Nehalem"
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$old
# Proof that the emulator hides AVX.
cargo test --release --lib -- --ignored registers_are_narrow | grep -F "1 passed"
cargo test --release --quiet --lib kernel::
cargo test --release --quiet --test suite recurrent_golden:: | grep -F "2 passed"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export BURSTLAB_RESULTS="$work/results"
"$burstlab" dataset synth --rows 1500 --out "$work/trace.csv" > /dev/null
cat > "$work/old.toml" << TOML
name = "old-processor"
[dataset]
source = "$work/trace.csv"
[task.next_request]
lookback = 20
[training]
epochs = 2
[[models]]
[models.lstm]
hidden = 20
[[models]]
[models.gru]
hidden = 20
[[models]]
[models.dlinear]
[[models]]
[models.tcn]
TOML
"$burstlab" run "$work/old.toml" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
for run in $("$burstlab" query --format json "SELECT run_id FROM runs" | grep -o '[0-9a-f]\{12,\}'); do
    "$burstlab" predict --run "$run" --trace "$work/trace.csv" --format csv > "$work/here.csv"
    $old "$burstlab" predict --run "$run" --trace "$work/trace.csv" --format csv > "$work/there.csv"
    python3 - "$run" "$work/here.csv" "$work/there.csv" << 'PYTHON'
import sys

run, here, there = sys.argv[1], *([line.split(",") for line in open(path)] for path in sys.argv[2:])
assert len(here) == len(there) > 1, f"{run}: {len(here)} and {len(there)} lines"
numbers = 0
for one, other in zip(here[1:], there[1:]):
    for a, b in zip(one, other, strict=True):
        try:
            a, b = float(a), float(b)
        except ValueError:
            assert a == b, f"{run}: {a} here, {b} there"
            continue
        numbers += 1
        assert abs(a - b) <= 1e-6 + 1e-4 * max(abs(a), abs(b)), f"{run}: {a} here, {b} there"
assert numbers > 3, f"{run}: {numbers} numbers"
print(f"{run}: {numbers} numbers agree")
PYTHON
done | tee "$work/agree"
[ "$(wc -l < "$work/agree")" = 4 ] || { echo "four models should have been compared"; exit 1; }
echo "old processor: kernels and saved models agree"
