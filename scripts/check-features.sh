#!/usr/bin/env bash
# Checks that the GPU features compile, without a GPU: scripts/check-features.sh
set -euo pipefail
cd "$(dirname "$0")/.."
for feature in cuda wgpu; do
    echo "-- $feature"
    # A build with CUDA downloads LLVM unless documentation is built; checking types needs none.
    DOCS_RS=1 cargo check --release --features "$feature"
done
echo "features: both compile"
