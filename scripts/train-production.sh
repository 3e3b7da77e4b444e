#!/usr/bin/env bash
# Wider networks, three seeds and an ensemble. Takes --sample-size N and --data-path FILE.
exec "$(dirname "$0")/train.sh" train-production full "$@"
