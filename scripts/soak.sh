#!/usr/bin/env bash
# The long form of the endurance tests: soak.sh MINUTES
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

minutes=${1:-10}
[[ $minutes =~ ^[0-9]+$ ]] || fail "MINUTES=$minutes is not a number"
need_cargo
export CHURN_SECONDS=$((minutes * 60)) SOAK_SECONDS=$((minutes * 60))
say "$minutes minutes of churn, then $minutes minutes of watching"
cargo test -p e2e -- --test-threads=1 --nocapture leave_nothing_behind memory_is_flat
