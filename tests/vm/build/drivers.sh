#!/usr/bin/env bash
# drivers.sh CHROOT TARGET RELEASE KBUILD OUT
# Builds V4L2's test drivers out of the kernel's source in the toolchain CHROOT.
set -euo pipefail
chroot=$1 target=$2 release=$3 kbuild=$4 out=$5

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$kbuild" "$work/Kbuild"
cp -r "$chroot/usr/src/linux/drivers" "$work/"
mkdir -p "$work/include/trace"
# vivid reads the clock twice, to see that the next frame is not due yet and for how long to sleep. Where
# it comes to be due in between, as on a slow machine, the sleep is negative, and the kernel answers with
# a call trace.
vivid=$work/drivers/media/test-drivers/vivid
sed -i 's/cur_jiffies + wait_jiffies - jiffies/max_t(long, 0, &)/' "$vivid"/*.c
grep -q 'max_t(long, 0, cur_jiffies' "$vivid/vivid-kthread-cap.c"
"$(dirname "$0")/modules.sh" "$chroot" "$target" "$release" "$work" "$out"
