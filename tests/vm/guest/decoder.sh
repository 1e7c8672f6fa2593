# Shared by the scenarios of the decoder; sourced after lib.sh: source ./decoder.sh
# shellcheck shell=bash

work=/tmp/daedalus
mkdir -p "$work"

# decoder_module: loads it, with what it needs.
decoder_module() {
    modprobe -a videodev v4l2-mem2mem videobuf2-dma-sg
    insmod modules/daedalus_v4l2.ko
    wait_for 10 video_node daedalus_v4l2 >/dev/null
    # udev opens each node to see what it is.
    udevadm settle
}

# stream FILE CODEC ARGUMENTS...: a moving picture, coded. SIZE and FRAMES say how large and how long.
stream() {
    ffmpeg -nostdin -v error -f lavfi -i "testsrc2=size=${SIZE:-320x240}:rate=30" -frames:v "${FRAMES:-16}" \
        -pix_fmt "${PIXELS:-yuv420p}" "${@:2}" "$work/$1"
}

# said TEXT: how often the daemons have said it.
# shellcheck disable=SC2154 # of lib.sh
said() { grep -c "$1" "$out/daemon.log" || true; }
greeted() { (($(said 'ms a job') == daemons)); }

daemons=0
# start_daemon: $daemon is its number.
start_daemon() {
    daedalus_v4l2_daemon -v daemon 2>>"$out/daemon.log" &
    daemon=$!
    daemons=$((daemons + 1))
    wait_for 30 greeted
}

no_daemons() { ! pgrep daedalus >/dev/null; }

# end_daemon: it ends cleanly, and all that it had started with it.
end_daemon() {
    kill -TERM "$daemon"
    wait "$daemon" || fail "the daemon ended with status $?"
    wait_for 10 no_daemons
}

# What must not grow: uses of the module, DMA-BUFs, descriptors of the daemon, its processes.
uses() { cat /sys/module/daedalus_v4l2/refcnt; }
dma_bufs() { awk '/^Total [0-9]+ objects/ { print $2 }' /sys/kernel/debug/dma_buf/bufinfo; }
counts() {
    printf 'uses=%s dma_bufs=%s' "$(uses)" "$(dma_bufs)"
    [[ -z ${daemon:-} || ! -d /proc/$daemon ]] ||
        printf ' descriptors=%s processes=%s' "$(find "/proc/$daemon/fd" -mindepth 1 | wc -l)" "$(pgrep -c daedalus)"
}
counts_are() { [[ $(counts) == "$1" ]]; }

# lost_kib: memory of no known use, where pages would be that somebody has forgotten to free. Free pages that
# a processor keeps for itself (count:, of 4 KiB) are in no line of meminfo.
lost_kib() {
    sync
    echo 3 >/proc/sys/vm/drop_caches
    awk '/^(MemFree|Buffers|Cached|AnonPages|Slab|KernelStack|PageTables|Percpu|VmallocUsed):/ { known += $2 }
         /^MemTotal:/ { total = $2 } $1 == "count:" { known += 4 * $2 }
         END { print total - known }' /proc/meminfo /proc/zoneinfo
}

# remember: what there is now, for nothing_is_left to compare with.
remember() {
    before=$(counts)
    lost=$(lost_kib)
    step "$before lost_kib=$lost $(memory)"
}

# nothing_is_left: it is all as remembered; of memory a little may have changed hands.
nothing_is_left() {
    local after
    wait_for 10 counts_are "$before"
    after=$(lost_kib)
    step "$(counts) lost_kib=$after $(memory)"
    ((after < lost + 4096)) || fail "$((after - lost)) KiB are gone"
}

# memory: what is used for what, for whoever reads the log.
memory() {
    awk '/^(MemFree|AnonPages|Cached|Shmem|SReclaimable|SUnreclaim|KernelStack|PageTables|Percpu|VmallocUsed):/ {
        printf "%s%s ", $1, $2 }' /proc/meminfo
}

# nothing_is_stuck: no process sleeps so that no signal reaches it.
nothing_is_stuck() { ! pgrep --list-name --runstates D; }

# peer ARGUMENTS...: decoder-peer, with the time a client waits at most.
peer() { decoder-peer --limit-ms "$((1000 * PATIENCE))" "$@"; }
