#!/usr/bin/env bash
# Boots images that image.sh built, in QEMU: test.sh [disk|boot|faults]...; docs/image.md
#
# CUTS=20  how often the power is cut during a first boot; SEED=N repeats a run's moments
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../../scripts/lib.sh"

apt_need fdisk e2fsprogs openssh-client python3 qemu-system-arm qemu-utils zstd || exit 1
modules=()
for name in "${@:-disk}"; do
    [[ -f tests/layer/lab/test_$name.py ]] || fail "there is no test $name: disk, boot, faults"
    modules+=("test_$name")
done
export PYTHONPATH=tests/vm:tests/layer/lab PYTHONDONTWRITEBYTECODE=1
exec python3 tests/layer/report.py "${modules[@]}"
