#!/bin/bash
# A camera is taken away and brought back a hundred times while viewers watch: the stream resumes
# every time, and the server grows neither in descriptors nor in memory.
#: payloads live777 peer
#: limit 600
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh
# shellcheck source=tests/vm/guest/camera.sh
source ./camera.sh
install_files

driver=/sys/bus/platform/drivers/vivid
modprobe vivid n_devs=1 node_types=0x1
wait_for 20 video_node vivid >/dev/null
# By its name: the number of the node may change.
card=$(v4l2-ctl -d "$(video_node vivid)" --info | sed -n 's/.*Card type *: //p')
camera_stream "$card" 320 180 25 42001f
systemctl start live777.service
wait_for 30 up
step "$card streams"

server=$(pgrep -x live777)
descriptors() { find "/proc/$server/fd" -mindepth 1 | wc -l; }
resident() { awk '/^VmRSS:/ { print $2 }' "/proc/$server/status"; }

# One viewer from beginning to end: it decodes frames of every cycle, each later than the one before.
live777-peer --lines --frames 1000000 --seconds 550 http://127.0.0.1:7777/whep/cam >"$out/viewer.log" 2>&1 &
viewer=$!
watched() { [[ $(metric livehal_stream_viewers) == 1 ]]; }
wait_for 20 watched
decoded() { wc -l <"$out/viewer.log"; }
sees() { (($(decoded) > $1)); }

for cycle in $(seq 100); do
    echo vivid.0 >$driver/unbind
    wait_for 10 down
    echo vivid.0 >$driver/bind
    wait_for 10 up
    wait_for 20 sees "$(($(decoded) + 2))"
    kill -0 $viewer 2>/dev/null || fail "cycle $cycle: the viewer is gone: $(<"$out/viewer.log")"
    if ((cycle == 10)); then
        fds=$(descriptors) memory=$(resident)
        step "after 10 cycles: $fds descriptors, $memory KiB; the viewer decoded $(decoded) pictures"
    fi
done
step "after 100 cycles: $(descriptors) descriptors, $(resident) KiB; the viewer decoded $(decoded) pictures"
watched || fail "the viewer was lost"
kill $viewer
(($(descriptors) <= fds)) || fail "$fds descriptors became $(descriptors)"
(($(resident) <= memory + 4096)) || fail "$memory KiB became $(resident)"
[[ $(metric livehal_stream_restarts_total) -ge 100 ]] ||
    fail "restarts counted: $(metric livehal_stream_restarts_total)"
