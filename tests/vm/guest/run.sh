#!/bin/bash
# Runs the scenario in the VM, leaves its result and what the machine said, and powers off. The result
# is written last: where it is, everything is.
in=/mnt/share/in out=/mnt/share/out
cd "$in" || exit 1
# LIMIT and PATIENCE, for the scenario, too.
# shellcheck source=/dev/null
source "$in/run.env"

echo "booted in $(cut -d ' ' -f 1 /proc/uptime) s" >"$out/scenario.log"
timeout --kill-after=5 "$LIMIT" bash -euo pipefail scenario.sh >>"$out/scenario.log" 2>&1 </dev/null
code=$?
((code != 124 && code != 137)) || echo "longer than $LIMIT s" >>"$out/scenario.log"

# Whatever hangs must not take the logs with it.
timeout "$((20 * PATIENCE))" journalctl --boot --no-pager --output=short-monotonic >"$out/journal.log" 2>&1
timeout "$((20 * PATIENCE))" dmesg >"$out/dmesg.log" 2>&1
echo "$code" >"$out/result"
sync
systemctl poweroff -ff
