#!/usr/bin/env bash
# Builds the server and runs it on a configuration: run.sh FILE
set -euo pipefail
start=$PWD
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

config=${1:-conf/live777.toml}
[[ $config == /* || ! -e $start/$config ]] || config=$start/$config
[[ -r $config ]] || fail "CONFIG=$config: no such file, or not readable"

need_cargo
mapfile -t packages < <(build_packages)
apt_need "${packages[@]}"

say "building live777 (the first time takes a few minutes)"
cargo build --release --bin live777
server=${CARGO_TARGET_DIR:-target}/release/live777

"$server" --check-config "$config"
say "starting on $config; Ctrl-C stops it"
exec "$server" --config "$config"
