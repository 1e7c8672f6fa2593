#!/bin/bash
# A camera that fails in the ways vivid can: it stops delivering, loses and damages frames, errs in its
# queue, says that it is gone, or refuses to start. Each is seen, named and counted, and passes.
#: payloads live777
#: limit 200
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh
# shellcheck source=tests/vm/guest/camera.sh
source ./camera.sh
install_files

modprobe vivid n_devs=1 node_types=0x1
wait_for 20 video_node vivid >/dev/null
camera=$(video_node vivid)
inject() { v4l2-ctl -d "$camera" --set-ctrl="$1" >/dev/null; }
drops() { metric livehal_stream_drops_total "reason=\"$1\""; }
state() { curl -s http://127.0.0.1:7777/api/streams/cam; }
# A rate at which an emulated encoder keeps up: "degraded" shall mean the camera.
camera_stream "$camera" 320 180 10 42001f
systemctl start live777.service
wait_for 30 up

step "it stops delivering"
flows 5
says() { [[ $(state) == *'"state":"degraded"'*"$1"* ]]; }
begin=$(now_ms)
inject percentage_of_dropped_buffers=100
wait_for 10 says "no frame from capture"
took=$(($(now_ms) - begin))
step "noticed after $took ms"
((took <= 2000)) || fail "a camera that delivers nothing is noticed after $took ms"
inject percentage_of_dropped_buffers=0
wait_for 20 up
flows 5

step "it loses frames"
before=$(drops capture_missed)
inject percentage_of_dropped_buffers=50
missed() { (($(drops capture_missed) > before)); }
wait_for 20 missed
inject percentage_of_dropped_buffers=0
flows 5
step "missed: $(($(drops capture_missed) - before))"

step "it damages frames"
before=$(drops capture_error) restarts=$(metric livehal_stream_restarts_total)
inject inject_v4l2_buf_flag_error=1
damaged() { (($(drops capture_error) > before)); }
wait_for 20 damaged
flows 5
[[ $(metric livehal_stream_restarts_total) == "$restarts" ]] || fail "a damaged frame ended the stream"

for fault in inject_fatal_streaming_error=1 inject_vidioc_qbuf_error=1; do
    step "$fault"
    restarts=$(metric livehal_stream_restarts_total)
    inject $fault
    restarted() { (($(metric livehal_stream_restarts_total) > restarts)); }
    wait_for 20 restarted
    wait_for 30 up
    flows 5
done

step "it says that it is gone"
inject disconnect=1
wait_for 10 says "$camera is not there"
step "$(state)"
