#!/usr/bin/env bash
# toolchain.sh NATIVE TARGET HEADERS.deb SOURCE.deb SUITE MIRROR OUT
# A directory of Debian (architecture NATIVE) in OUT that builds kernel modules for TARGET, with the
# kernel's media sources below usr/src/linux.
set -euo pipefail
native=$1 target=$2 headers=$3 source=$4 suite=$5 mirror=$6 out=$7

# The headers depend on the whole kernel image, and those of a foreign architecture cannot be installed:
# what they really need is installed, and they are unpacked.
depends=$(dpkg-deb -f "$headers" Depends)
compiler=$(grep -o 'gcc-[0-9]*' <<<"$depends" | head -n 1)
case $target in
    "$native") ;;
    amd64) compiler+=-x86-64-linux-gnu ;;
    arm64) compiler+=-aarch64-linux-gnu ;;
esac
include=make,kmod,perl,sparse,$compiler
while read -r package; do
    include+=,$package
done < <(grep -o 'linux-kbuild-[^ ,]*\|linux-headers-[^ ,]*-common' <<<"$depends")

# A mirror that is some days behind has a compiler, too.
mmdebstrap --variant=minbase --architectures="$native" --include="$include" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt='force-unsafe-io' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --format=directory "$suite" "$out" "$mirror"

dpkg-deb --fsys-tarfile "$headers" | tar -x --keep-directory-symlink -C "$out"

# The source is a package with one archive in it; of that, the test drivers and what they stand on, and
# the style checker.
mkdir -p "$out/usr/src/linux"
dpkg-deb --fsys-tarfile "$source" |
    tar -x --to-stdout --wildcards './usr/src/linux-source-*.tar.xz' |
    xz -dc -T0 |
    tar -x -C "$out/usr/src/linux" --strip-components=1 --wildcards \
        'linux-source-*/drivers/media/test-drivers' 'linux-source-*/drivers/media/v4l2-core' \
        'linux-source-*/scripts/check*' 'linux-source-*/scripts/spelling.txt' \
        'linux-source-*/scripts/const_structs.checkpatch'
# Newer headers run this before sparse, and have it not.
valid=$out/usr/src/linux/scripts/checker-valid.sh
[[ ! -e $valid ]] || cp "$valid" "$out"/usr/src/linux-headers-*-common/scripts/
