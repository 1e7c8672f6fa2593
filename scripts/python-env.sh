#!/usr/bin/env bash
# Makes the Python environment of the aiortc tests under target/python.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

python_env target/python tests/aiortc/requirements.txt aiortc
