#!/bin/bash
# The decoder, whole: module and daemon. debugfs decodes single frames, GStreamer whole streams, bit by
# bit as FFmpeg does; a daemon that is killed costs one stream and no more; all of it ends cleanly.
#: payloads daedalus
#: modules kernel/daedalus-v4l2
#: limit 400
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh
# shellcheck source=tests/vm/guest/decoder.sh
source ./decoder.sh

debugfs=/sys/kernel/debug/daedalus_v4l2/test_decode

# frame FILE N: one frame of an IVF file, from 0.
frame() {
    local file=$work/$1 at=32 n size
    for ((n = 0; ; n++)); do
        size=$(od -A n -t u4 -j "$at" -N 4 "$file")
        ((n < $2)) || break
        at=$((at + 12 + size))
    done
    dd if="$file" iflag=skip_bytes,count_bytes skip=$((at + 12)) count=$((size)) status=none
}

# answers: how many decodes the kernel has told of.
answers() { dmesg | grep -c 'test_decode:' || true; }
answered() { (($(answers) > $1)); }

# test_decode: what is in $work/unit, by debugfs; what the kernel and the daemon say of it.
test_decode() {
    local before
    before=$(answers)
    # By one write.
    dd if="$work/unit" of="$debugfs" bs=1M iflag=fullblock status=none
    wait_for 10 answered "$before"
    kernel=$(dmesg | grep 'test_decode:' | tail -n 1)
    said=$(grep 'test_decode:' "$out/daemon.log" | tail -n 1)
    step "  $kernel"
    [[ $(value cookie "$kernel") == $(value cookie "$said") ]] || fail "the daemon says $said"
    [[ $(value status "$kernel") == $(value status "$said") ]] || fail "the daemon says $said"
    [[ $(value digest "$kernel") == $(value digest "$said") ]] || fail "the daemon says $said"
}

# value NAME LINE: of NAME=… in the line.
value() { sed -n "s/.*\b$1=\([0-9a-f]*\).*/\1/p" <<<"$2"; }

# decode FILE ELEMENTS: by GStreamer through the node.
decode() {
    # shellcheck disable=SC2086 # elements are words
    timeout 120 gst-launch-1.0 -q filesrc location="$work/$1" ! $2 ! video/x-raw,format=NV12 ! \
        filesink location="$work/$1.nv12" >"$out/gst-$1.log" 2>&1
}

# compare FILE ELEMENTS: it is what FFmpeg decodes.
compare() {
    decode "$1" "$2" || fail "$1: $(tail -n 3 "$out/gst-$1.log")"
    ffmpeg -nostdin -v error -i "$work/$1" -pix_fmt nv12 -f rawvideo -y "$work/expected"
    local frames=$(($(stat -c %s "$work/expected") / (320 * 240 * 3 / 2)))
    ((frames == 16)) || fail "$1: FFmpeg decodes $frames frames"
    cmp "$work/$1.nv12" "$work/expected" || fail "$1 is decoded wrongly"
    step "  $1: $frames frames, bit by bit"
}

step "streams"
stream vp9.ivf -c:v libvpx-vp9 -b:v 400k -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 8
stream vp8.ivf -c:v libvpx -b:v 400k -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 8
stream main.h264 -c:v libx264 -preset fast -x264-params bframes=3:keyint=8:cqm=jvt
stream interlaced.h264 -c:v libx264 -preset fast -x264-params interlaced=1:tff=1:keyint=8

step "module and daemon"
decoder_module
install_files
daedalus_v4l2_daemon probe
start_daemon

step "single frames by debugfs"
frame vp9.ivf 0 >"$work/unit"
test_decode
[[ $(value status "$kernel") == 0 && $kernel == *320x240* ]] || fail "$kernel"
first=$(value digest "$kernel")
local_digest=$(daedalus_v4l2_daemon decode "$work/vp9.ivf" | sed -n 's/^0 .*fnv1a=\([0-9a-f]*\).*/\1/p')
[[ $first == "$local_digest" ]] || fail "$first is not $local_digest"
frame vp9.ivf 1 >"$work/unit"
test_decode
[[ $(value digest "$kernel") != "$first" ]] || fail "another frame has the same digest"
frame vp9.ivf 0 >"$work/unit"
test_decode
[[ $(value digest "$kernel") == "$first" ]] || fail "the same frame has another digest"
head -c 64 /dev/urandom | tr '\200-\277' '\000-\077' >"$work/unit"
test_decode
[[ $(value status "$kernel") == 101 ]] || fail "$kernel"
kill -0 "$daemon" || fail "the daemon is gone"

step "streams by GStreamer"
compare vp9.ivf "ivfparse ! vp9parse ! v4l2slvp9dec"
compare vp8.ivf "ivfparse ! v4l2slvp8dec"
compare main.h264 "h264parse ! v4l2slh264dec"
compare interlaced.h264 "h264parse ! v4l2slh264dec"

step "the daemon is killed, and another takes over"
kill -9 "$daemon"
wait "$daemon" || true
if decode vp9.ivf "ivfparse ! vp9parse ! v4l2slvp9dec" && cmp -s "$work/vp9.ivf.nv12" "$work/expected"; then
    fail "decoded without a daemon"
fi
start_daemon
compare vp9.ivf "ivfparse ! vp9parse ! v4l2slvp9dec"

step "the end"
end_daemon
rmmod daedalus_v4l2
