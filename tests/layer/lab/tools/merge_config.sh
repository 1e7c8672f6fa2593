#!/bin/sh
# merge_config.sh of kern-tools: merge_config.sh -m [-r] [-O DIRECTORY] .config FRAGMENT... Of an option that comes
# twice the last is kept.
set -eu
out=.
while [ $# -gt 0 ]; do
    case $1 in
    -m | -r) shift ;;
    -O) out=$2 && shift 2 ;;
    *) break ;;
    esac
done
awk '
    { name = "" }
    /^CONFIG_[A-Za-z0-9_]+=/ { name = $0; sub(/=.*/, "", name) }
    /^# CONFIG_[A-Za-z0-9_]+ is not set/ { name = $2 }
    name != "" { if (!(name in last)) order[++count] = name; last[name] = $0 }
    END { for (i = 1; i <= count; i++) print last[order[i]] }' "$@" >"$out/.config.merged"
mv "$out/.config.merged" "$out/.config"
