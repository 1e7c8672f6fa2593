#!/usr/bin/env bash
# Runs every check and says what it skipped: test.sh [lint | PART...]
#
# INSTALL=0      leaves the system as it is: parts whose packages are missing are skipped
# REQUIRE_ALL=1  makes a skip a failure (continuous integration)
# FUZZ_SECONDS   time for each fuzz target (default 20)
set -uo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

all_parts=(format shell clippy unit docs presets platforms cross layer e2e kernel vm fuzz)
case "${1:-}" in
    '') parts=("${all_parts[@]}") ;;
    lint) parts=(format shell clippy docs) ;;
    *) parts=("$@") ;;
esac

passed=0 failed=0 skipped=0 elsewhere=0
failures=() skips=()
logs=target/test-logs
mkdir -p "$logs"

skip() {
    skipped=$((skipped + 1))
    skips+=("$1: $2")
    printf 'SKIPPED: %s: %s\n' "$1" "$2" >&2
}

# tool NAME PACKAGE PART: whether the tool is there, installing it where that is wanted.
tool() {
    have "$1" && return 0
    if [[ ${INSTALL:-1} == 1 ]] && apt_need "$2"; then
        have "$1" && return 0
    fi
    skip "$3" "$1 is not installed (apt-get install $2)"
    return 1
}

# counted NAME COMMAND...: runs a part and counts it as one check, or as its tests; one that exits with 77
# has said why it is skipped.
counted() {
    local name=$1 log=$logs/$1.log status
    shift
    "$@" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    local ok bad ignored
    ok=$(awk '/^test result:/ { n += $4 } END { print n + 0 }' "$log")
    bad=$(awk '/^test result:/ { n += $6 } END { print n + 0 }' "$log")
    ignored=$(awk '/^test result:/ { n += $8 } END { print n + 0 }' "$log")
    while IFS= read -r line; do
        skipped=$((skipped + 1))
        skips+=("${line#SKIPPED: }")
        # No registry has what such a test needs: `make test-layer-full` runs it.
        [[ $line != *LIVEHAL_LAYERS* ]] || elsewhere=$((elsewhere + 1))
    done < <(grep -o 'SKIPPED: .*' "$log")
    if ((ok + bad == 0)); then
        case $status in
            0) ok=1 ;;
            77) ;;
            *) bad=1 ;;
        esac
    elif ((status != 0 && bad == 0)); then
        bad=1
    fi
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + ignored))
    ((ignored)) && skips+=("$name: $ignored ignored tests")
    ((bad)) && failures+=("$name")
    return 0
}

part_format() { counted format cargo fmt --all --check; }

part_shell() {
    tool shellcheck shellcheck shell || return
    mapfile -t scripts < <(git ls-files '*.sh' .ci/run | xargs -r ls -d 2>/dev/null)
    counted shell shellcheck -x "${scripts[@]}"
}

part_clippy() {
    counted clippy cargo clippy --workspace --all-targets -- -D warnings
}

# D-Bus tests want a session bus of their own.
part_unit() {
    local run=()
    if [[ ${INSTALL:-1} == 1 ]]; then
        apt_need nodejs strace libglib2.0-bin systemd ffmpeg || true
    fi
    if tool dbus-run-session dbus-daemon "D-Bus tests"; then
        run=(dbus-run-session --)
    fi
    counted unit "${run[@]}" cargo test --workspace --exclude e2e
}

part_docs() {
    counted docs env RUSTDOCFLAGS="-D warnings" \
        cargo doc --workspace --no-deps --document-private-items
}

# libcamera NAME: sees to what crate libcamera is built with, and sets what such a build is told. A libcamera
# that is new enough, or, where this system's is not, Debian 13's in a directory of its own. Not exported:
# builds for another architecture want another one.
with_libcamera=()
libcamera() {
    if [[ ${INSTALL:-1} == 1 ]]; then
        apt_need pkg-config clang libclang-dev || true
    fi
    tool pkg-config pkg-config "$1" && tool clang "clang libclang-dev" "$1" || return
    [[ -z ${PI_SYSROOT:-} ]] && ! pkg-config --atleast-version=0.4 libcamera || return 0
    local told
    if ! told=$(tests/vm/vm sysroot); then
        skip "$1" "no libcamera 0.4 here, and none to be had: ${told#SKIPPED: vm: }"
        return 1
    fi
    with_libcamera=(env "PI_SYSROOT=$told")
}

part_presets() {
    local features
    counted presets-none cargo check -p live777 --no-default-features
    for features in native-generic-v4l2,webui native-rdk,webui webui; do
        counted "presets-$features" \
            cargo check -p live777 --no-default-features --features "$features"
    done
    if libcamera presets-native-rpi,webui; then
        # With its lints: no other part compiles this backend.
        counted presets-native-rpi,webui "${with_libcamera[@]}" \
            cargo clippy -p live777 --no-default-features --features native-rpi,webui -- -D warnings
        counted presets-libcamera "${with_libcamera[@]}" \
            cargo clippy -p livehal --features native-rpi --all-targets -- -D warnings
    fi
    # An encoder without a capture backend builds nothing native, and must still build.
    counted presets-encoder-only cargo check -p live777 --no-default-features \
        --features encoder-v4l2-m2m
}

# Other systems, and the boards' processor under emulation.
part_platforms() { counted platforms scripts/platforms.sh; }
part_cross() { counted cross scripts/cross.sh; }

# The Yocto layer. What needs checkouts of other layers is `make test-layer-full`.
part_layer() {
    if [[ ${INSTALL:-1} == 1 ]]; then
        apt_need python3-venv openssl rauc squashfs-tools dosfstools e2fsprogs fdisk libubootenv-tool mtools systemd \
            u-boot-tools wget shellcheck softhsm2 \
            libengine-pkcs11-openssl || true
    fi
    # The server and its viewer with the image's configuration.
    counted layer-programs cargo build --bin live777 --bin live777-peer
    counted layer tests/layer/run.sh
}

part_e2e() {
    if [[ ${INSTALL:-1} == 1 ]]; then
        apt_need chromium python3-venv ffmpeg || true
    fi
    scripts/python-env.sh || printf 'no Python environment\n' >&2
    # One at a time: each test has a server and its peers, and two processors to share.
    counted e2e cargo test -p e2e -- --test-threads=1
}

# The kernel module: with all warnings, by sparse and by checkpatch.pl for the VM's kernel; for the oldest
# and the newest of Debian's as well, and with KERNELS=all (make test-vm) for each on both architectures.
part_kernel() {
    local suite arch pairs=(trixie:amd64 bookworm:amd64 sid:arm64)
    [[ ${KERNELS:-} != all ]] || pairs=({trixie,bookworm,sid}:{amd64,arm64})
    for pair in "${pairs[@]}"; do
        suite=${pair%:*} arch=${pair#*:}
        counted "kernel-$suite-$arch" tests/vm/vm module kernel/daedalus-v4l2 --suite "$suite" --arch "$arch"
    done
}

# A real kernel, in a VM. ARCH=arm64: another machine than this one's. VM_SCENARIOS=all (make test-vm):
# also those that say little of the project's own code.
part_vm() {
    counted vm-lab python3 -m unittest discover -s tests/vm
    local options=("--${VM_SCENARIOS:-tests}") arch=() why
    [[ -z ${ARCH:-} ]] || arch=(--arch "$ARCH")
    if ! why=$(tests/vm/vm check "${arch[@]}"); then
        skip vm "${why#SKIPPED: vm: }"
        return
    fi
    libcamera vm-libcamera || options+=(--without libcamera)
    counted vm tests/vm/vm run "${options[@]}" "${arch[@]}"
}

part_fuzz() { counted fuzz scripts/fuzz.sh "${FUZZ_SECONDS:-20}"; }

need_cargo
mapfile -t packages < <(build_packages)
apt_need "${packages[@]}" || exit 1
for part in "${parts[@]}"; do
    declare -F "part_$part" >/dev/null || fail "no part $part; there are: ${all_parts[*]}"
    say "$part"
    begin=$SECONDS
    "part_$part"
    say "$part took $((SECONDS - begin)) s"
done

say "summary"
for line in "${skips[@]+"${skips[@]}"}"; do printf '  skipped: %s\n' "$line"; done
for line in "${failures[@]+"${failures[@]}"}"; do
    printf '  failed: %s (%s/%s.log)\n' "$line" "$logs" "$line"
done
# Last, for who sees the end of the output only.
for line in "${failures[@]+"${failures[@]}"}"; do
    told=$(grep -aE -A 8 ' panicked at |^(ERROR|FAIL): |^error(\[|:)| FAILED ' "$logs/$line.log" | head -n 40)
    printf '%s\n' "${told:-$(tail -n 20 "$logs/$line.log")}" | cut -c1-300
done
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
((failed == 0)) || exit 1
[[ ${REQUIRE_ALL:-} != 1 ]] || ((skipped == elsewhere)) || fail "nothing may be skipped here"
