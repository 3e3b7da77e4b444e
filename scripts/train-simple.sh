#!/usr/bin/env bash
# A small LSTM and DLinear against naive baselines: minutes on a laptop. Takes --sample-size N and --data-path FILE.
exec "$(dirname "$0")/train.sh" train-simple simple "$@"
