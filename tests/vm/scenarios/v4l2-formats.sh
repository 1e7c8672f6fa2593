#!/bin/bash
# Every pixel format at every size of every kind of vivid input, single- and multi-planar: the right
# picture, or a refusal that names what the camera offers.
#: payloads example:livehal:camera_check:bench
#: limit 420
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh
install_files

# Camera 1 is single-planar, 2 multi-planar; inputs 0 to 3 are webcam, TV, S-Video and HDMI.
modprobe vivid n_devs=2 node_types=0x1,0x1 multiplanar=1,2
vivids() {
    local device
    for device in /sys/class/video4linux/video*; do
        [[ $(<"$device/name") == vivid-*-vid-cap ]] && printf '/dev/%s\n' "${device##*/}"
    done
}
two() { [[ $(vivids | wc -l) == 2 ]]; }
wait_for 20 two

declare -A count=([right]=0 [refused]=0)
# check WITHIN DEVICE FORMAT SIZE FPS: counts the verdict, and leaves what was said in $said.
check() {
    local within=$1
    shift
    local code=0
    said=$(camera_check "$@" "$within" 2>&1) || code=$?
    printf '%s: %s\n' "$*" "$said" >>"$out/formats.log"
    case $code in
    0) count[right]=$((count[right] + 1)) ;;
    3)
        count[refused]=$((count[refused] + 1))
        # The formats, and a size with its rates, or a range.
        if [[ $said != *"it offers "*"yuyv ("*x*")"* || $said != *"nv12 ("* ]]; then
            fail "$*: a refusal that does not say what there is: $said"
        fi
        ;;
    *) fail "$*: $said" ;;
    esac
}

for camera in $(vivids); do
    planar=$(v4l2-ctl -d "$camera" --info | grep -c 'Video Capture Multiplanar' || true)
    v4l2-ctl -d "$camera" --set-input=0 >/dev/null
    sizes=$(v4l2-ctl -d "$camera" --list-framesizes=YUYV | awk '/Discrete/ { print $3 }')
    step "$camera: multi-planar $planar; webcam with $(wc -w <<<"$sizes") sizes"
    for size in $sizes; do
        # A driver whose thread falls behind its rate says so in the kernel's log, with a call trace.
        fps=10
        ((${size%x*} < 1280)) || fps=2
        for format in yuyv nv12 yuv420 rgb888; do
            check 12 "$camera" "$format" "$size" $fps
            [[ $said == right* ]] || fail "$camera $format $size: $said"
        done
        # vivid has none.
        check 12 "$camera" mjpeg "$size" $fps
        [[ $said == refused:*"mjpeg is not offered"* ]] || fail "$camera mjpeg $size: $said"
    done
    # Nothing said of the format: the camera's best.
    check 12 "$camera" any 640x480 10
    [[ $said == right* ]] || fail "$camera any: $said"
    check 12 "$camera" yuyv 800x600 10
    [[ $said == refused:*"800x600"*"640x480 at "*" fps"* ]] || fail "$camera yuyv 800x600: $said"

    # These have the rates and the colours of television.
    for input in 1 2 3; do
        v4l2-ctl -d "$camera" --set-input=$input >/dev/null
        ((input < 3)) || v4l2-ctl -d "$camera" --set-dv-bt-timings=index=0 >/dev/null
        size=$(v4l2-ctl -d "$camera" --get-fmt-video | sed -n 's|.*Width/Height *: \([0-9]*\)/\([0-9]*\)|\1x\2|p')
        step "$camera: input $input, $size"
        for format in yuyv nv12 yuv420 rgb888; do
            check 12 "$camera" "$format" "$size" 25
            [[ $said == right* ]] || fail "$camera input $input $format $size: $said"
        done
    done
done
step "right: ${count[right]}, refused with what there is: ${count[refused]}"
((count[right] + count[refused] >= 60)) || fail "fewer than 60"
