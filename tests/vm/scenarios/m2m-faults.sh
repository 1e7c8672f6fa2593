#!/bin/bash
# The encoder backend v4l2-m2m when its device fails: it cannot code a picture, or does not answer.
# Each is an error in words, soon, after which the device works for the next.
#: payloads example:livehal:m2m:bench
#: modules tests/vm/modules/fault
#: limit 120
# The module puts another function in a probed one's place as this architecture does it.
#: architectures amd64
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh
install_files

work=/tmp/m2m
mkdir -p "$work"
m2m_drivers 1 0
insmod modules/livehal-fault.ko
faults=/sys/module/livehal_fault/parameters

# with_fault NAME WORDS: the fault comes while pictures are coded.
with_fault() {
    local job began
    rm -f "$work/frames"
    m2m "$camera" "$encoder" dmabuf 640x480@5 "$work" >/dev/null 2>"$work/error" &
    job=$!
    wait_for 20 test -s "$work/frames"
    began=$(now_ms)
    echo 1 >"$faults/$1"
    if wait "$job"; then fail "$1 was not noticed"; fi
    echo 0 >"$faults/$1"
    step "$1, after $(($(now_ms) - began)) ms: $(<"$work/error")"
    grep -q "$encoder .*$2" "$work/error" || fail "the error does not say so"
    (($(now_ms) - began < 5000 * PATIENCE)) || fail "that was long"
    [[ $(m2m "$camera" "$encoder" dmabuf 640x480@5 "$work") == 0 ]] || fail "it does not work after it"
}

with_fault fail "could not"
with_fault stall "gave no packet within 1000 ms"
