#!/usr/bin/env bash
# Measures: bench.sh [late-join | delivery | fanout | encode | browser | devices | decoder]...
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need_cargo
mapfile -t packages < <(build_packages)
apt_need "${packages[@]}"
say "building in release form"
cargo build --release --bin live777 --bin bench
target=${CARGO_TARGET_DIR:-target}/release
load=$(cut -d ' ' -f 1 /proc/loadavg)
say "measuring; load average now is $load, close to 0 is best"
LIVE777_BIN=$target/live777 "$target/bench" "$@"
