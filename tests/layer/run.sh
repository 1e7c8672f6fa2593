#!/usr/bin/env bash
# The layer's tests that a bare machine can run: run.sh [MODULE...]
# Tools come from PyPI into a directory outside the tree; crates are kept there, too.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

cache=${LIVEHAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/livehal}
environment=$cache/layer-python
python_env "$environment" tests/layer/requirements.txt "BitBake, kas and oelint-adv"

export LIVEHAL_CACHE=$cache PYTHONDONTWRITEBYTECODE=1
exec "$environment/bin/python" tests/layer/report.py "$@"
