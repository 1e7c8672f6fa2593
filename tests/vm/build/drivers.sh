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
"$(dirname "$0")/modules.sh" "$chroot" "$target" "$release" "$work" "$out"
