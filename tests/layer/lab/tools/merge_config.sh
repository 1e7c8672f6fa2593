#!/bin/sh
# merge_config.sh of kern-tools: merge_config.sh -m [-r] [-O DIRECTORY] .config FRAGMENT... One option after
# another; of one that comes twice Kconfig takes the last.
set -eu
out=.
while [ $# -gt 0 ]; do
    case $1 in
    -m | -r) shift ;;
    -O) out=$2 && shift 2 ;;
    *) break ;;
    esac
done
cat "$@" >"$out/.config.merged"
mv "$out/.config.merged" "$out/.config"
