#!/usr/bin/env bash
# Fuzzes every parser of ours with libFuzzer: fuzz.sh SECONDS [TARGET...]
#
# The stable compiler instruments for coverage; nothing but cargo and a C++ compiler is needed.
# What is found stays in target/fuzz/corpus; a crash is kept and its file named.
set -uo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

seconds=${1:-600}
shift || true
[[ $seconds =~ ^[0-9]+$ ]] || fail "SECONDS=$seconds is not a number"
targets=("$@")
if ((${#targets[@]} == 0)); then
    for file in fuzz/targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

work=$root/target/fuzz
triple=$(rustc -vV | sed -n 's/^host: //p')
say "building the fuzz targets"
# An explicit --target keeps the instrumentation out of build scripts and macros.
flags='--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1'
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=" -Cllvm-args=-sanitizer-coverage-$option"
done
RUSTFLAGS=$flags cargo build --quiet --release --manifest-path fuzz/Cargo.toml \
    --target "$triple" --target-dir "$work/build" || fail "the fuzz targets do not build"

bad=0 good=0
for target in "${targets[@]}"; do
    mkdir -p "$work/corpus/$target" "$work/crashes"
    seeds=()
    [[ -d fuzz/seeds/$target ]] && seeds+=("fuzz/seeds/$target")
    [[ $target == config ]] && seeds+=(conf)
    say "$target for $seconds s"
    log=$work/$target.log
    if "$work/build/$triple/release/$target" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$work/crashes/$target-" "$work/corpus/$target" \
        "${seeds[@]+"${seeds[@]}"}" >"$log" 2>&1; then
        grep -E 'number_of_executed_units|new_units_added' "$log"
        good=$((good + 1))
    else
        tail -n 60 "$log"
        bad=$((bad + 1))
    fi
done
printf 'test result: fuzzing. %d passed; %d failed; 0 ignored\n' "$good" "$bad"
((bad == 0))
