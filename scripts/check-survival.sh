#!/usr/bin/env bash
# The long forms of three tests, with proof that they ran in full: scripts/check-survival.sh
# Kills at 200 random instants of a sweep; two supervisors, eight readers and an open sqlite3 shell; 200,000 mutated files.
# A quick run with lower counts: BURSTLAB_KILLS=20 BURSTLAB_FUZZ=5000 scripts/check-survival.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export BURSTLAB_KILLS="${BURSTLAB_KILLS:-200}" BURSTLAB_FUZZ="${BURSTLAB_FUZZ:-100000}" BURSTLAB_REQUIRE_SQLITE3=1
export RUST_BACKTRACE=0
if ! command -v sqlite3 >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends sqlite3 >/dev/null
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# check TEST WORDS...: runs a test and fails unless its summary contains these words.
check() {
    local test=$1
    shift
    echo "-- $test"
    cargo test --release --test suite -- "$test::" --nocapture > "$work/$test.txt" 2>&1 ||
        { tail -n 60 "$work/$test.txt"; echo "FAILED: $test"; exit 1; }
    for words in "$@"; do
        grep -q -- "$words" "$work/$test.txt" || { cat "$work/$test.txt"; echo "FAILED: no \`$words\`"; exit 1; }
        grep -- "$words" "$work/$test.txt"
    done
}
check kills "$BURSTLAB_KILLS kills in a sweep of"
check crowd "sqlite3 shell: true"
check fuzz "$BURSTLAB_FUZZ mutated experiment files in .* 0 faults" "$BURSTLAB_FUZZ mutated trace files in .* 0 faults"
echo "survival: all checks passed"
