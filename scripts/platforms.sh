#!/usr/bin/env bash
# Checks live777, every preset at once, for systems that have no V4L2: platforms.sh [TARGET...]
#
# C and C++ of the crates are compiled by zig's clang, which brings the systems' headers; from PyPI into
# target/zig. Exits with 77 where zig or Rust's standard library cannot be had.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

targets=("$@")
((${#targets[@]})) || targets=(aarch64-apple-darwin x86_64-pc-windows-gnu)

skip() {
    printf 'SKIPPED: platforms: %s\n' "$*"
    exit 77
}

requirements=tests/platforms/requirements.txt
if ! cmp -s "$requirements" target/zig/requirements.txt; then
    say "installing zig into target/zig"
    if [[ ${INSTALL:-1} == 1 ]]; then apt_need python3-venv || true; fi
    if ! python3 -m venv --clear target/zig ||
        ! target/zig/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements"; then
        skip "no zig from PyPI"
    fi
    cp "$requirements" target/zig/requirements.txt
fi
PATH=$root/target/zig/bin:$PATH
for target in "${targets[@]}"; do
    rust_target "$target" || skip "no standard library of Rust for $target"
    say "$target"
    RUSTFLAGS="-D warnings" cargo-zigbuild check --target "$target" -p live777 \
        --features native-rpi,native-rdk,webui
done
