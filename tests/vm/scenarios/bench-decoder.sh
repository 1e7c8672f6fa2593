#!/bin/bash
# What decoding through the node costs, against ffmpeg on the same file, by turns: `make bench BENCH=decoder`.
#: payloads release:daedalus decoder-peer
#: modules kernel/daedalus-v4l2
#: kind bench
#: limit 2400
#: memory 3072
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh
# shellcheck source=tests/vm/guest/decoder.sh
source ./decoder.sh

decoder_module
install_files
start_daemon

# busy: processor time of the whole machine, in ms.
busy() { awk '/^cpu / { print ($2 + $3 + $4 + $6 + $7 + $8) * 10 }' /proc/stat; }

# measure NAME COMMAND...: frames a second, and processor time a frame; $job_ms is what is known of a job.
measure() {
    local name=$1 begin before
    shift
    begin=$(now_ms) before=$(busy) job_ms=-
    "$@" >"$out/$name.log" 2>&1 || fail "$name: $(tail -n 3 "$out/$name.log")"
    [[ $name != *-jobs ]] || job_ms=$(sed -n 's/.*mean_ms=//p' "$out/$name.log")
    awk -v name="$name" -v ms="$(($(now_ms) - begin))" -v cpu="$(($(busy) - before))" -v n="$FRAMES" -v job="$job_ms" \
        'BEGIN { printf "figures %s %.2f %.2f %s -\n", name, n * 1000 / ms, cpu / n, job }'
}

# Many, so that to start a program is little of it.
export FRAMES=120
for size in 1280x720 1920x1080; do
    name=${size#*x}p
    SIZE=$size stream "vp9-$name.ivf" -c:v libvpx-vp9 -b:v 4M -deadline realtime -cpu-used 8 -tile-columns 2 -threads 2
    SIZE=$size stream "h264-$name.h264" -c:v libx264 -preset superfast -tune zerolatency -b:v 4M
done

for _ in 1 2 3; do
    for file in "$work"/*p.*; do
        name=$(basename "${file%.*}")
        case $file in
            # One thread a picture, as the daemon has it (docs/daedalus.md).
            *.ivf) elements="ivfparse ! vp9parse ! v4l2slvp9dec" threads=(-threads 1) ;;
            *) elements="h264parse ! v4l2slh264dec" threads=(-threads 2 -thread_type slice) ;;
        esac
        # shellcheck disable=SC2086 # elements are words
        measure "$name-node" gst-launch-1.0 -q filesrc location="$file" ! $elements ! fakesink sync=false
        measure "$name-ffmpeg" ffmpeg -nostdin -v error "${threads[@]}" -i "$file" -f null -
        measure "$name-ffmpeg-frames" ffmpeg -nostdin -v error -threads 2 -i "$file" -f null -
    done
    measure vp9-720p-jobs decoder-peer play "$work/vp9-720p.ivf"
done
end_daemon
# Each picture has been copied once, and once only.
grep -a ' pictures, ' "$out/daemon.log" | tail -n 3
awk '/ pictures, / { seen = 1; if ($3 != $5) bad = 1 } END { exit bad || !seen }' "$out/daemon.log" ||
    fail "copies are not pictures"
