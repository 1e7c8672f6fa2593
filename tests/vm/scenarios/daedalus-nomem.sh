#!/bin/bash
# The decoder's module out of memory: every allocation that a client has it make fails once, then every one
# that the daemon has it make. Nobody waits, the next client decodes, nothing is left.
#: payloads daedalus decoder-peer
#: modules kernel/daedalus-v4l2 tests/vm/modules/nomem
#: limit 600
# shellcheck source=tests/vm/guest/lib.sh
source ./lib.sh
# shellcheck source=tests/vm/guest/decoder.sh
source ./decoder.sh

SIZE=128x96 stream film.ivf -c:v libvpx-vp9 -b:v 400k -cpu-used 8 -g 8
decoder_module
install_files
remember
start_daemon
peer play "$work/film.ivf"
served=$(counts)
insmod modules/livehal-nomem.ko

step "a client's"
peer no-memory "$work/film.ivf"
wait_for 10 counts_are "$served"

step "the daemon's"
peer no-memory "$work/film.ivf" --task "$daemon"
wait_for 10 counts_are "$served"

rmmod livehal_nomem
wait_for 10 nothing_is_stuck
end_daemon
nothing_is_left
rmmod daedalus_v4l2
