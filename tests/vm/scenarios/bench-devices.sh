#!/bin/bash
# What capture and coding cost on a device, here and in programs that do the same with it, by turns:
# `make bench BENCH=devices`. vivid gives the pictures; H.264 is made by the processor, FWHT by vicodec.
#: payloads release:example:livehal:device_bench:bench
#: kind bench
#: limit 400
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh
install_files

m2m_drivers 1 0

# measure NAME ARGUMENT...: frames a second, milliseconds a frame, and of latency.
measure() {
    local name=$1 figures
    shift
    figures=$(device_bench "$@" 2>"$out/$name.log") || fail "$name: $(tail -n 3 "$out/$name.log")"
    echo "figures $name $figures"
}

# The peer for H.264: ffmpeg with its software encoder at its fastest and without delay.
ffmpeg_h264() {
    local size=${1%@*} fps=${1#*@} frames=$2 name=$3
    measure "$name" framecrc "$frames" ffmpeg -nostdin -v error -f v4l2 -input_format yuyv422 \
        -video_size "$size" -framerate "$fps" -i "$camera" -copyts -fps_mode passthrough \
        -enc_time_base 1:1000000 -pix_fmt yuv420p -c:v libx264 -preset ultrafast -tune zerolatency \
        -profile:v baseline -b:v 2M -g 60 -flush_packets 1 -f framecrc -
}

# The peer for FWHT: GStreamer, for ffmpeg does not know that codec. Quantisers as device_bench has them.
gstreamer_fwht() {
    local size=${1%@*} fps=${1#*@} frames=$2 name=$3
    measure "$name" frames "$frames" 4f4f4f4fffffffff gst-launch-1.0 -q v4l2src "device=$camera" \
        io-mode=dmabuf ! "video/x-raw,format=NV12,width=${size%x*},height=${size#*x},framerate=$fps/1" ! \
        v4l2fwhtenc output-io-mode=dmabuf-import \
        extra-controls=encode,video_gop_size=16,fwht_i_frame_qp_value=2,fwht_p_frame_qp_value=2 ! \
        fdsink sync=false
}

for _ in 1 2 3; do
    # At a rate that both keep up with, then at one that neither does.
    measure h264-paced-ours h264 "$camera" 640x480@15 90
    ffmpeg_h264 640x480@15 90 h264-paced-ffmpeg
    measure h264-full-ours h264 "$camera" 640x480@60 120
    ffmpeg_h264 640x480@60 120 h264-full-ffmpeg
    measure fwht-ours fwht "$camera" "$encoder" 640x480@15 90
    gstreamer_fwht 640x480@15 90 fwht-gstreamer
done
