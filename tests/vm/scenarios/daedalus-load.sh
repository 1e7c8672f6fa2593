#!/bin/bash
# The decoder's module without its daemon: it loads, is compliant, fails every job at once, unloads.
#: modules kernel/daedalus-v4l2
#: limit 300
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh
# shellcheck source=tests/vm/guest/decoder.sh
source ./decoder.sh

step "load"
decoder_module
video=$(video_node daedalus_v4l2)
[[ -c /dev/daedalus-v4l2 ]] || fail "no /dev/daedalus-v4l2"
[[ $(stat -c %a /dev/daedalus-v4l2) == 600 ]] || fail "everybody may be the daemon"

step "v4l2-compliance"
v4l2-compliance -d "$video" | tee "$out/compliance.log"
grep -q 'Failed: 0, Warnings: 0' "$out/compliance.log" || fail "not compliant"
v4l2-compliance -d "$video" -s | tee "$out/compliance-streaming.log"
grep -q 'Failed: 0, Warnings: 0' "$out/compliance-streaming.log" || fail "not compliant while streaming"

media=$(echo /sys/class/video4linux/"${video##*/}"/device/media*)
v4l2-compliance -m "/dev/${media##*/}" | tee "$out/compliance-media.log"
grep -q 'Failed: 0, Warnings: 0' "$out/compliance-media.log" || fail "the media node is not compliant"
if grep -q 'Failed: [^0]\|Warnings: [^0]' "$out/compliance-media.log"; then fail "not compliant by the media node"; fi

step "a decode that nobody takes"
if printf x >/sys/kernel/debug/daedalus_v4l2/test_decode 2>"$out/nobody.log"; then
    fail "test_decode without a daemon"
fi

step "in use, it stays"
exec 3<>"$video"
if rmmod daedalus_v4l2 2>/dev/null; then fail "unloaded while in use"; fi
exec 3>&-

step "unload, and again"
rmmod daedalus_v4l2
[[ ! -e /dev/daedalus-v4l2 ]] || fail "/dev/daedalus-v4l2 stays"
decoder_module
rmmod daedalus_v4l2
