#!/usr/bin/env bash
# The models of train-simple.sh, never on a GPU. Takes --sample-size N and --data-path FILE.
exec "$(dirname "$0")/train.sh" train-cpu simple "$@"
