#!/usr/bin/env bash
# The whole table of a GPU's speed in one call of under eight minutes; says so where there is no GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-.venv/bin/python}" -m benchmarks.gpu_speed "$@"
