#!/bin/bash
# `daedalus-faults` for longer: the daemon killed 200 times, a client 200 times, a hundred thousand wrong
# messages, five minutes of random ioctls.
#: payloads daedalus decoder-peer
#: modules kernel/daedalus-v4l2
#: limit 2400
#: kind more
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh
# shellcheck source=tests/vm/guest/decoder.sh
source ./decoder.sh

SIZE=128x96 stream film.ivf -c:v libvpx-vp9 -b:v 400k -cpu-used 8 -g 8
decoder_module
install_files
remember
peer hostile 100000
wait_for 10 counts_are "$before"
step "$(counts) lost_kib=$(lost_kib) $(memory)"
peer kills "$work/film.ivf" 200
wait_for 10 no_daemons
wait_for 10 counts_are "$before"
step "$(counts) lost_kib=$(lost_kib) $(memory)"
start_daemon
served=$(counts)
peer clients "$work/film.ivf" 200
wait_for 10 counts_are "$served"
step "$(counts) lost_kib=$(lost_kib) $(memory)"
peer ioctls 300
peer play "$work/film.ivf"
wait_for 10 counts_are "$served"
wait_for 10 nothing_is_stuck
end_daemon
nothing_is_left
rmmod daedalus_v4l2
