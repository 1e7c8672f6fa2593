#!/usr/bin/env bash
# modules.sh CHROOT TARGET RELEASE SOURCE OUT [EXTRA_SYMBOLS [MAKE_ARGUMENT...]]
# Builds the module directory SOURCE (with a Kbuild) for the kernel RELEASE in the toolchain CHROOT.
# Brings *.ko and Module.symvers to OUT; EXTRA_SYMBOLS is such a Module.symvers of another build.
set -euo pipefail
chroot=$1 target=$2 release=$3 source=$4 out=$5 symbols=${6:-}
shift $(($# < 6 ? $# : 6))

mkdir -p "$chroot/build"
work=$(mktemp -d "$chroot/build/XXXXXX")
trap 'rm -rf "$work"' EXIT
inside=${work#"$chroot"}
# Resolved now: a link of the source would lead nowhere in there.
cp -rL "$source" "$work/module"

arguments=(-C "/usr/src/linux-headers-$release" "M=$inside/module" "$@")
if [[ $target != $(dpkg --print-architecture) ]]; then
    case $target in
        amd64) machine=x86_64 prefix=x86_64-linux-gnu- ;;
        arm64) machine=arm64 prefix=aarch64-linux-gnu- ;;
    esac
    compiler=$(cd "$chroot/usr/bin" && ls "${prefix}gcc-"[0-9]*)
    arguments+=("ARCH=$machine" "CROSS_COMPILE=$prefix" "CC=$compiler")
fi
if [[ -n $symbols && -s $symbols ]]; then
    cp "$symbols" "$work/Module.symvers"
    # Debian's amd64 kernel has no v4l2-mem2mem, and so its headers leave out what needs it.
    arguments+=("KBUILD_EXTRA_SYMBOLS=$inside/Module.symvers"
        KCFLAGS=-DCONFIG_V4L2_MEM2MEM_DEV_MODULE=1)
fi
# Newer kernels' objtool reads its limits from /proc.
# shellcheck disable=SC2016 # for the shell inside
unshare --mount bash -c 'mount -t proc proc "$1/proc" && exec chroot "$@"' -- \
    "$chroot" make "-j$(nproc)" "${arguments[@]}" modules
mkdir -p "$out"
find "$work/module" -name '*.ko' -exec cp {} "$out/" \;
cp "$work/module/Module.symvers" "$out/"
