#!/usr/bin/env bash
# The layer's tests that a bare machine can run: run.sh [MODULE...]
# Tools come from PyPI into a directory outside the tree; crates are kept there, too.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

cache=${LIVEHAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/livehal}
requirements=tests/layer/requirements.txt
environment=$cache/layer-python
if ! cmp -s "$requirements" "$environment/requirements.txt"; then
    python=$(command -v python3) || fail "python3 is not installed"
    say "installing BitBake, kas and oelint-adv into $environment"
    mkdir -p "$cache"
    if ! "$python" -m venv --clear "$environment" >/dev/null 2>&1; then
        apt_need python3-venv
        "$python" -m venv --clear "$environment"
    fi
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$environment/requirements.txt"
fi

export LIVEHAL_CACHE=$cache PYTHONDONTWRITEBYTECODE=1
exec "$environment/bin/python" tests/layer/report.py "$@"
