#!/usr/bin/env bash
# Makes the Python environment of the aiortc tests under target/python.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requirements=tests/aiortc/requirements.txt
stamp=target/python/requirements.txt
cmp -s "$requirements" "$stamp" && exit 0

python=$(command -v python3) || fail "python3 is not installed"
say "installing aiortc into target/python"
if ! "$python" -m venv --clear target/python >/dev/null 2>&1; then
    apt_need python3-venv
    "$python" -m venv --clear target/python
fi
target/python/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements"
cp "$requirements" "$stamp"
