#!/bin/bash
# The encoder backend v4l2-m2m on the kernel's own drivers: vivid's pictures coded by vicodec, read by
# the device where the camera put them, or copied into it; decoded by the kernel and compared.
#: payloads example:livehal:m2m:bench
#: limit 300
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh
install_files

# encode MODE SIZE@FPS COPIES: 48 pictures; so many times must one have been copied.
encode() {
    mkdir -p "$work"
    local copies
    copies=$(m2m "$camera" "$encoder" "$1" "$2" "$work") || fail "m2m $1 $2"
    [[ $copies == "$3" ]] || fail "$1 $2: $copies copies of whole pictures, not $3"
}

# compare SIZE PIXELS: the packets, decoded, are the pictures: at least 30 dB in the first half, and
# less in the second, of which less was wanted.
compare() {
    local size=$1 pixels=$2 code=NV12 width=${1%x*} height=${1#*x} half psnr
    [[ $pixels == nv12 ]] || code=YUYV
    v4l2-ctl -d "$decoder" --set-fmt-video-out "width=$width,height=$height,pixelformat=FWHT" \
        --set-fmt-video "pixelformat=$code" --stream-mmap --stream-out-mmap \
        --stream-from "$work/coded" --stream-to "$work/decoded" >"$work/v4l2-ctl.log" 2>&1 ||
        fail "decoding: $(tail -n 3 "$work/v4l2-ctl.log")"
    [[ $(stat -c %s "$work/decoded") == "$(stat -c %s "$work/raw")" ]] ||
        fail "$(stat -c %s "$work/decoded") bytes decoded of $(stat -c %s "$work/raw")"
    [[ $pixels == nv12 ]] || pixels=yuyv422
    local -a as=(-f rawvideo -pix_fmt "$pixels" -s "$size")
    ffmpeg -nostdin -v error "${as[@]}" -i "$work/raw" "${as[@]}" -i "$work/decoded" \
        -lavfi "psnr=stats_file=$work/psnr" -f null -
    for half in first second; do
        psnr=$(awk -v half="$half" '
            { split($6, psnr, ":"); n = NR > 32 ? "second" : "first" }
            n == half { sum += psnr[2] == "inf" ? 99 : psnr[2]; count++ }
            END { printf "%.1f", count ? sum / count : 0 }' "$work/psnr")
        step "  $half half: $psnr dB"
        declare -g "$half=$psnr"
    done
    # shellcheck disable=SC2154 # declared just now
    awk -v first="$first" -v second="$second" 'BEGIN { exit !(first > 30 && second > 20 && second < first - 3) }' ||
        fail "$first dB and $second dB"
}

# packets TIMES: as many as pictures, key frames where they are due or asked for, so many times fewer
# bytes where less was wanted, and each there before the next picture.
packets() {
    awk -v times="$1" '
        { seq[$1] = $2; captured[$1] = $3; done[$1] = $4; bytes[$1] = $6 }
        $5 == "key" { keys = keys " " $1 }
        END {
            for (n = 0; n < NR; n++) {
                if (n >= 24 && n < 32) before += bytes[n]
                if (n >= 40 && n < 48) after += bytes[n]
                if (n && seq[n] == seq[n - 1] + 1) {
                    neighbours++
                    late += done[n - 1] >= captured[n]
                }
                wait += (done[n] - captured[n]) / 1e6
            }
            printf "%d packets, key frames%s; %d bytes for eight, then %d; ", NR, keys, before, after
            printf "%.1f ms from picture to packet; %d of %d after the next picture\n",
                wait / NR, late, neighbours
            exit !(NR == 48 && before >= times * after && neighbours > 40 && late == 0 &&
                (keys " ") ~ / 0 / && (keys " ") ~ / 21 /)
        }' "$work/frames" || fail "packets of $work"
}

work=/tmp/m2m
m2m_drivers 1 0
# Pattern 0, colour bars, stands still and needs few bits at any rate; 20, a grey ramp, moves.
while read -r mode size copies pixels pattern movement times; do
    step "$mode $size"
    v4l2-ctl -d "$camera" --set-ctrl="test_pattern=$pattern,horizontal_movement=$movement" >/dev/null
    encode "$mode" "$size@5" "$copies"
    packets "$times"
    compare "$size" "$pixels"
done <<'END'
dmabuf 640x480 0 nv12 20 5 1.8
copy 640x480 48 nv12 20 5 1.8
dmabuf 640x360 48 nv12 0 3 1.1
dmabuf+yuyv 640x360 0 yuyv 0 3 1.1
END

step "several planes"
m2m_drivers 2 1
encode dmabuf 640x480@5 0
packets 1.1
compare 640x480 nv12

step "the encoder goes away"
m2m "$camera" "$encoder" dmabuf 640x480@5 "$work" >/dev/null 2>"$work/error" &
job=$!
wait_for 20 test -s "$work/frames"
began=$(now_ms)
echo vicodec.0 >/sys/bus/platform/drivers/vicodec/unbind
if wait "$job"; then fail "it did not notice"; fi
step "  after $(($(now_ms) - began)) ms: $(<"$work/error")"
grep -q "$encoder is not there" "$work/error" || fail "the error does not say so"
echo vicodec.0 >/sys/bus/platform/drivers/vicodec/bind
wait_for 20 node_named stateful-encoder >/dev/null
encoder=$(node_named stateful-encoder)
encode dmabuf 640x480@5 0

step "no such device"
if m2m "$camera" /dev/video99 dmabuf 640x480@5 "$work" 2>"$work/error"; then fail "it is there"; fi
step "  $(<"$work/error")"
if m2m "$camera" "$camera" dmabuf 640x480@5 "$work" 2>"$work/error"; then fail "a camera encodes"; fi
step "  $(<"$work/error")"
