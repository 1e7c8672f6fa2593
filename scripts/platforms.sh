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

python_env target/zig tests/platforms/requirements.txt zig || skip_all "no zig from PyPI"
PATH=$root/target/zig/bin:$PATH
for target in "${targets[@]}"; do
    rust_target "$target" || skip_all "no standard library of Rust for $target"
    say "$target"
    RUSTFLAGS="-D warnings" cargo-zigbuild check --target "$target" -p live777 \
        --features native-rpi,native-rdk,webui
done
