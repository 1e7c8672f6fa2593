# Shared by the scripts beside it; sourced, not run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# apt_need PACKAGE...: installs what is missing, or fails with the one line to run.
apt_need() {
    local missing=() package
    have dpkg-query || fail "this is not a Debian system; install the equivalent of: $*"
    for package in "$@"; do
        if [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) != *"ok installed" ]]; then
            missing+=("$package")
        fi
    done
    ((${#missing[@]})) || return 0
    # Another apt may be at work: wait for it rather than fail.
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y
        --no-install-recommends "${missing[@]}")
    if ((EUID == 0)); then
        say "installing ${missing[*]}"
        apt-get update -q >&2 && "${install[@]}" >&2 || return 1
    elif have sudo && sudo -n true 2>/dev/null; then
        say "installing ${missing[*]} with sudo"
        sudo apt-get update -q >&2 && sudo "${install[@]}" >&2 || return 1
    else
        printf 'missing packages; run this once, then try again:\n  sudo apt-get install -y %s\n' \
            "${missing[*]}" >&2
        return 1
    fi
}

# What building needs besides cargo. nasm makes the software encoder four times as fast on x86; cmake
# builds libjpeg-turbo for cameras that deliver JPEG.
build_packages() {
    local packages=(cmake gcc g++ libc6-dev)
    [[ $(uname -m) == x86_64 ]] && packages+=(nasm)
    printf '%s\n' "${packages[@]}"
}

need_cargo() {
    have cargo || fail "cargo is not installed; see https://www.rust-lang.org/tools/install"
    local version wanted
    version=$(cargo --version | awk '{print $2}')
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if [[ $(printf '%s\n%s\n' "$wanted" "$version" | sort -V | head -n 1) != "$wanted" ]]; then
        fail "cargo $version is too old: $wanted or newer is needed (rustup update)"
    fi
}

# rust_target TARGET: sees to Rust's standard library for it, by rustup where it is missing.
rust_target() {
    [[ ! -d $(rustc --print sysroot)/lib/rustlib/$1 ]] || return 0
    have rustup || return 1
    say "adding Rust's $1"
    rustup target add "$1" >&2
}

# python_env DIRECTORY REQUIREMENTS WHAT: a Python environment with what the file lists, made anew where it
# lists something else than when it was made.
python_env() {
    local directory=$1 requirements=$2 python
    ! cmp -s "$requirements" "$directory/requirements.txt" || return 0
    python=$(command -v python3) || fail "python3 is not installed"
    say "installing $3 into $directory"
    mkdir -p "$directory"
    if ! "$python" -m venv --clear "$directory" >/dev/null 2>&1; then
        [[ ${INSTALL:-1} == 1 ]] && apt_need python3-venv || return 1
        "$python" -m venv --clear "$directory" || return 1
    fi
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements" &&
        cp "$requirements" "$directory/requirements.txt"
}

# skip_all WHY: ends a script that is a part of the tests, with why it cannot run.
skip_all() {
    printf 'SKIPPED: %s: %s\n' "$(basename "$0" .sh)" "$1"
    exit 77
}
