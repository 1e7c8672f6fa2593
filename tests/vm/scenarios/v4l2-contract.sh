#!/bin/bash
# The contract's USB camera: 640x480 YUYV at 30 frames a second, profile 42001f, adapted in the device
# and the encoder only. A viewer decodes its frames; a snapshot is a JPEG; controls are set.
#: payloads live777 peer aiortc
#: limit 200
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh
# shellcheck source=tests/vm/guest/camera.sh
source ./camera.sh
install_files

modprobe vivid n_devs=1 node_types=0x1
wait_for 20 video_node vivid >/dev/null
camera_stream "$(video_node vivid)" 640 480 30 42001f
sed -i 's/^pixel_format.*/&\nprefer_dmabuf = true\n[stream.cam.sources.capture.controls]\nbrightness = 100/' \
    /etc/livehal/live777.toml
systemctl start live777.service
# An emulated processor may not keep up with 30 frames a second; that is said, and frames flow.
running() { (($(encoded) > 0)); }
wait_for 30 running
journalctl -u live777 --no-pager -q | grep 'camera open' || fail "no line says what the camera gave"
[[ $(v4l2-ctl -d "$(video_node vivid)" --get-ctrl=brightness) == "brightness: 100" ]] ||
    fail "brightness was not set"

live777-peer --frames 60 --seconds 90 http://127.0.0.1:7777/whep/cam | tee "$out/viewer.log"
grep -q '^60 frames of 640x480 decoded' "$out/viewer.log" || fail "not what was asked for"
aiortc_plays cam 60 640 480
# YUYV becomes what the software encoder takes: one conversion a frame, no more.
# Of one answer, for frames come all the time; one may be between its conversion and its packet.
read -r copies frames < <(curl -s http://127.0.0.1:7777/metrics | awk '
    /^livehal_frame_copies_total[{]/ { copies = $2 } /^livehal_stream_frames_total[{]/ { frames = $2 }
    END { print copies, frames }')
step "copies: $copies for $frames frames"
((copies >= frames - 1 && copies <= frames + 2)) || fail "copies: $copies for $frames frames"

curl -s --fail -o "$out/snapshot.jpg" http://127.0.0.1:7777/api/streams/cam/snapshot.jpg
[[ $(od -An -tx1 -N3 "$out/snapshot.jpg") == " ff d8 ff" ]] || fail "the snapshot is no JPEG"

step "what it cannot do, it says"
camera_stream "$(video_node vivid)" 648 480 30 42001f
systemctl restart live777.service
refused() { curl -s http://127.0.0.1:7777/api/streams/cam | grep -q '648x480.*it offers.*640x480 at'; }
wait_for 20 refused
curl -s http://127.0.0.1:7777/api/streams/cam
echo
