#!/bin/bash
# What a client, a daemon, or both together may do to the decoder's module: nobody waits for more than a
# second, everybody goes on, nothing is left. `daedalus-endurance` does more of the same.
#: payloads daedalus decoder-peer
#: modules kernel/daedalus-v4l2
#: limit 600
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh
# shellcheck source=tests/vm/guest/decoder.sh
source ./decoder.sh

SIZE=128x96 stream film.ivf -c:v libvpx-vp9 -b:v 400k -cpu-used 8 -g 8
decoder_module
install_files
remember

step "a hostile daemon"
peer hostile 20000
peer in-flight
peer contexts
peer resume
wait_for 10 counts_are "$before"

step "the daemon is killed"
peer kills "$work/film.ivf" 20
wait_for 10 no_daemons
wait_for 10 counts_are "$before"

step "the daemon is stopped"
peer stops "$work/film.ivf" 5
wait_for 10 no_daemons

# As many as may; on an emulated machine that takes longer than a client would wait.
step "16 contexts"
echo 10000 >/sys/module/daedalus_v4l2/parameters/job_timeout_ms
start_daemon
served=$(counts)
decoder-peer --limit-ms 15000 play "$work/film.ivf" --contexts 16 --loops 4
wait_for 10 counts_are "$served"
end_daemon
echo 800 >/sys/module/daedalus_v4l2/parameters/job_timeout_ms

step "clients are killed"
start_daemon
served=$(counts)
step "$served"
peer clients "$work/film.ivf" 20
wait_for 10 counts_are "$served"

step "it is not unloaded while it is used"
decoder-peer --limit-ms 60000 play "$work/film.ivf" --loops 100000 >/dev/null &
client=$!
in_use() { (($(uses) > 1)); }
wait_for 10 in_use
if rmmod daedalus_v4l2 2>/dev/null; then fail "unloaded while in use"; fi
kill -9 $client
wait $client 2>/dev/null || true
idle=$(uses)
decoder-peer hold-request >"$work/held" &
client=$!
held() { grep -q held "$work/held"; }
wait_for 10 held
if (($(uses) <= idle)); then fail "a request does not keep the module"; fi
kill $client
wait $client 2>/dev/null || true
idle_again() { (($(uses) == idle)); }
wait_for 10 idle_again

step "random ioctls"
peer ioctls 20
peer play "$work/film.ivf"

step "the end"
wait_for 10 nothing_is_stuck
end_daemon
nothing_is_left

step "unloaded the moment that nobody has it open"
for _ in $(seq 10); do
    # Nobody decodes: every unit fails.
    if decoder-peer play "$work/film.ivf" >/dev/null 2>&1; then fail "decoded without a daemon"; fi
    rmmod daedalus_v4l2
    decoder_module
done
rmmod daedalus_v4l2
