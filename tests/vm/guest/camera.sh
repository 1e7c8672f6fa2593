# A stream of vivid by live777 under its unit, for the scenarios of capture; sourced after lib.sh.
# shellcheck shell=bash

# camera_stream DEVICE WIDTH HEIGHT FPS PROFILE: writes the configuration of a stream called cam.
camera_stream() {
    cat >/etc/livehal/live777.toml <<TOML
[http]
listen = "127.0.0.1:7777"
[webrtc]
listen = "127.0.0.1:7777"
[auth]
allow_open = true
[stream.cam]
[[stream.cam.sources]]
[stream.cam.sources.capture]
backend = "v4l2"
device = "$1"
width = $2
height = $3
fps = $4
pixel_format = "yuyv"
[stream.cam.sources.encoder]
backend = "auto"
codec = "h264"
bitrate = 1_000_000
profile = "$5"
gop = 60
[stream.cam.sources.output]
payload_type = 96
clock_rate = 90000
TOML
}

# metric NAME [LABELS]: the value of one of cam's.
metric() {
    curl -s http://127.0.0.1:7777/metrics | awk -v name="$1{stream=\"cam\"${2:+,$2}}" '$1 == name { print $2 }'
}
up() { [[ $(metric livehal_stream_up) == 1 ]]; }
down() { [[ $(metric livehal_stream_up) == 0 ]]; }
encoded() { metric livehal_stream_frames_total; }

reached() { (($(encoded) >= $1)); }

# flows FRAMES: so many more frames come from now on.
flows() {
    local goal
    goal=$(($(encoded) + $1))
    wait_for 20 reached "$goal"
}
