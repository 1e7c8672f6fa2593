#!/bin/bash
# Streams of others and our own through the node by GStreamer: every picture is FFmpeg's, and the published
# one where MD5s were published. The table is in docs/daedalus.md.
#: payloads daedalus decoder-peer vectors
#: modules kernel/daedalus-v4l2
#: limit 1500
#: memory 3072
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh
# shellcheck source=tests/vm/guest/decoder.sh
source ./decoder.sh

decoder_module
install_files
start_daemon

elements() {
    case $(head -c 12 "$1" | tr -d '\0') in
        DKIF*VP90) echo "ivfparse ! vp9parse ! v4l2slvp9dec" ;;
        DKIF*VP80) echo "ivfparse ! v4l2slvp8dec" ;;
        *) echo "h264parse ! v4l2slh264dec" ;;
    esac
}

failures=0
# check FILE [FORMAT]: through the node; NV12, unless another format is meant.
check() {
    local name=${1##*/} seen published=()
    ffmpeg -nostdin -v error -i "$1" -noautoscale -fps_mode passthrough -f framemd5 -y "$work/expected"
    daedalus_v4l2_daemon decode "$1" >"$work/decoded"
    [[ ! -e $1.md5 ]] || (($(wc -l <"$1.md5") != $(wc -l <"$work/decoded"))) || published=("$1.md5")
    # shellcheck disable=SC2046 # elements are words
    if ! timeout 300 gst-launch-1.0 -q filesrc location="$1" ! $(elements "$1") ! \
        "video/x-raw,format=${2:-NV12}" ! filesink location="$work/raw" >"$out/gst-$name.log" 2>&1; then
        seen="GStreamer: $(tail -n 2 "$out/gst-$name.log" | tr '\n' ' ')"
        failures=$((failures + 1))
    elif ! seen=$(peer frames "$work/raw" "$work/decoded" "$work/expected" "${published[@]}" 2>&1); then
        failures=$((failures + 1))
    fi
    rm -f "$work/raw"
    step "$name: $seen"
    printf '| %s | %s |\n' "$name" "$seen" >>"$out/vectors.md"
}

# refused FILE: it ends with an error that the client sees, and the next stream is decoded.
refused() {
    local name=${1##*/}
    # shellcheck disable=SC2046 # elements are words
    if timeout 60 gst-launch-1.0 -q filesrc location="$1" ! $(elements "$1") ! fakesink >"$out/gst-$name.log" 2>&1; then
        step "$name: is not refused"
        failures=$((failures + 1))
        return
    fi
    step "$name: refused: $(grep -m 1 '^ERROR' "$out/gst-$name.log")"
}

vectors=/usr/local/share/vectors
step "sizes that change"
check "$vectors/resolution_change_500frames-vp9.ivf"

step "published streams"
for stream in "$vectors"/*.h264 "$vectors"/*.vp8 "$vectors"/*.vp9 "$vectors"/*.ivf; do
    case $stream in
        *444*) refused "$stream" ;;
        *resolution_change*) ;; # Done.
        *) check "$stream" ;;
    esac
done

step "generated streams"
# make FILE SIZE FORMAT CODEC ARGUMENTS...
make() {
    SIZE=$2 PIXELS=$3 FRAMES=24 stream "$1" "${@:4}"
    case $3 in
        *10le) check "$work/$1" P010_10LE ;;
        *) check "$work/$1" ;;
    esac
}
x264() { make "$1.h264" "${3:-160x96}" "${4:-yuv420p}" -c:v libx264 -x264-params "$2" -f h264; }
make odd.vp9.ivf 323x179 yuv420p -c:v libvpx-vp9 -b:v 300k -cpu-used 5 -auto-alt-ref 1 -lag-in-frames 16 -g 20
make deep.vp9.ivf 256x144 yuv420p10le -c:v libvpx-vp9 -profile:v 2 -b:v 300k -cpu-used 8
make tiles.vp9.ivf 1024x256 yuv420p -c:v libvpx-vp9 -b:v 600k -cpu-used 8 -tile-columns 2
make lossless.vp9.ivf 128x96 yuv420p -c:v libvpx-vp9 -lossless 1 -cpu-used 8
make alt.vp8.ivf 176x144 yuv420p -c:v libvpx -b:v 200k -auto-alt-ref 1 -lag-in-frames 10 -g 15
make odd.vp8.ivf 175x143 yuv420p -c:v libvpx -b:v 200k -cpu-used 8
decoder-peer paff "$work/paff.h264" 24
check "$work/paff.h264"
x264 baseline "keyint=10:bframes=0:cabac=0:8x8dct=0:weightp=0"
x264 main_b "keyint=12:bframes=3:b-pyramid=normal:ref=4:8x8dct=0"
x264 high "keyint=24:bframes=3:ref=5:8x8dct=1:weightp=2:weightb=1" 320x192
x264 slices "keyint=12:slices=4:bframes=2" 320x192
x264 interlaced "keyint=10:interlaced=1:tff=1:bframes=2"
x264 jvt "keyint=12:cqm=jvt:8x8dct=1:bframes=2"
x264 lists "keyint=12:8x8dct=0:cqm4=6,13,20,28,13,20,28,32,20,28,32,37,28,32,37,42:bframes=1"
x264 high10 "keyint=12:bframes=2:8x8dct=1" 160x96 yuv420p10le
x264 open_gop "keyint=10:open-gop=1:bframes=3"
x264 intra_refresh "keyint=10:intra-refresh=1:bframes=0"
x264 chroma_offset "keyint=10:chroma-qp-offset=5:bframes=1"

step "the end"
((failures == 0)) || fail "$failures streams"
end_daemon
rmmod daedalus_v4l2
