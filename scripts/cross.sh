#!/usr/bin/env bash
# Builds live777 for aarch64 and runs livehal's tests there under user emulation: cross.sh [PRESET...]
#
# Needs Debian's cross compiler, qemu-user and rustup; exits with 77 where one of them cannot be had.
# Debian 13's libcamera and C library come from `tests/vm/vm sysroot`; PI_SYSROOT takes another system's.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

presets=("$@")
((${#presets[@]})) || presets=(native-rdk native-generic-v4l2 native-rpi)
target=aarch64-unknown-linux-gnu

mapfile -t packages < <(build_packages)
packages+=(clang debian-archive-keyring g++-aarch64-linux-gnu libclang-dev pkg-config qemu-user)
if [[ ${INSTALL:-1} == 1 ]]; then
    apt_need "${packages[@]}" || skip_all "packages are missing: ${packages[*]}"
fi
for tool in aarch64-linux-gnu-g++ clang pkg-config qemu-aarch64; do
    have "$tool" || skip_all "$tool is not installed"
done
rust_target "$target" || skip_all "no standard library of Rust for $target"
if [[ -z ${PI_SYSROOT:-} ]]; then
    PI_SYSROOT=$(tests/vm/vm sysroot --arch arm64) ||
        skip_all "no libcamera for $target: ${PI_SYSROOT#SKIPPED: vm: }"
fi
export PI_SYSROOT PKG_CONFIG_ALLOW_CROSS=1
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L $PI_SYSROOT"

# Built quickly, for a test that measures nothing, but for what every pixel goes through.
options=(--target "$target" --no-default-features --config 'profile.dev.package."*".opt-level=0')
for package in jpeg-decoder jpeg-encoder openh264-sys2 turbojpeg-sys yuv; do
    options+=(--config "profile.dev.package.$package.opt-level=2")
done
for preset in "${presets[@]}"; do
    say "$preset: live777 for $target"
    cargo build "${options[@]}" --bin live777 --features "$preset,webui"
    qemu-aarch64 -L "$PI_SYSROOT" "${CARGO_TARGET_DIR:-target}/$target/debug/live777" --version
    # It is all in native-rpi, whose tests are these.
    [[ $preset != native-generic-v4l2 || " ${presets[*]} " != *" native-rpi "* ]] || continue
    say "$preset: livehal's tests under emulation"
    cargo test "${options[@]}" -p livehal --features "$preset"
done
