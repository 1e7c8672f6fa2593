#!/usr/bin/env bash
# An image of this layer on a Debian machine, without a build farm: image.sh [TARGET...]; docs/build.md
# MACHINE=raspberrypi5 or rdk-x5: a board's disk image, with stand-ins for what is in no archive.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../../scripts/lib.sh"
# shellcheck source=tests/layer/bitbake.sh
source tests/layer/bitbake.sh

lab=$root/tests/layer/lab
directory=$build/image
conf=lab.conf
lab_layers=("$root/meta-livehal" "$root/tests/layer/external" "$lab")
debian=() tools=()
targets=(livehal-image livehal-image-release livehal-bundle)
case ${MACHINE:=qemuarm64} in
qemuarm64) ;;
raspberrypi5) lab_layers+=("$layers/meta-raspberrypi") ;;&
rdk-x5) lab_layers+=("$root/meta-livehal-rdk-x5") ;;&
raspberrypi5 | rdk-x5)
    live777=$directory/tmp/deploy/deb/qemuarm64/live777_0.1.0-r0_arm64.deb
    [[ -e $live777 ]] || fail "the boards' images take live777 of qemuarm64's: make image, then again"
    others_debian=$directory/debian
    directory=$build/image-$MACHINE
    conf=boards.conf
    lab_layers+=("$lab/boards")
    debian=("$lab/boards/debian.txt") tools=(device-tree-compiler)
    targets=(livehal-image livehal-bundle)
    ;;
*) fail "the lab has no machine $MACHINE: qemuarm64, raspberrypi5, rdk-x5" ;;
esac
(($# == 0)) || targets=("$@")

bitbake_host
apt_need autoconf automake autopoint gettext gperf libglib2.0-dev-bin libtool-bin pkg-config rustc-web cargo-web cmake g++-aarch64-linux-gnu pseudo python3-venv quilt dpkg-dev apt-utils u-boot-tools bc bison flex \
    bmap-tools bzip2 dosfstools e2fsprogs fdisk gdisk kmod libelf-dev libssl-dev mtools ninja-build openssh-client parted rauc \
    squashfs-tools systemd debian-archive-keyring "${tools[@]}" || exit 1
# wic is a program of its own now, in no registry; openembedded-core's history has it.
wic_commit=b9e2a2f584376076c4552bef7309c81b9fe986c0^
lay_wic() {
    local wic=$build/wic-program
    mkdir -p "$directory/tools"
    printf '#!/bin/sh\nexec python3 %s/scripts/wic "$@"\n' "$wic" >"$directory/tools/wic"
    chmod 0755 "$directory/tools/wic"
    [[ ! -L $wic/meta ]] || return 0
    rm -rf "$wic"
    mkdir -p "$wic"
    git -c safe.directory='*' -C "$layers/openembedded-core" archive "$wic_commit" scripts/wic scripts/lib | tar -x -C "$wic" ||
        fail "$layers/openembedded-core has no history with wic in it: not a shallow clone, please"
    ln -s "$layers/openembedded-core/meta" "$wic/meta"
}
# Meson as OpenEmbedded's class writes for it; Debian 12's is older.
lay_meson() {
    local version
    version=$(basename "$layers"/openembedded-core/meta/recipes-devtools/meson/meson_*.bb .bb)
    mkdir -p "$directory/tools"
    ln -sf "$build/$version/bin/meson" "$directory/tools/meson"
    [[ ! -x $build/$version/bin/meson ]] || return 0
    rm -rf "${build:?}/$version"
    /usr/bin/python3 -m venv "$build/$version"
    "$build/$version/bin/python" -m pip install --quiet --disable-pip-version-check "meson==${version#meson_}"
}

lay_wic
lay_meson
rust_std "$build/rust-aarch64"

say "Debian's packages for the image"
if [[ -n ${others_debian:-} && ! -d $directory/debian ]]; then
    mkdir -p "$directory/debian"
    cp -al "$others_debian"/{debs,dev} "$directory/debian"
fi
python3 "$lab/debian.py" "$directory/debian" "${debian[@]}"
"$lab/fetch_kernel.sh" "$build/kernel-source"
python3 "$lab/sources.py" "$build/downloads"
((EUID != 0)) || chown livehal-build: "$build/downloads"

# Who may log in to the development image.
if [[ ! -s $directory/ssh/id.pub ]]; then
    mkdir -p "$directory/ssh"
    ssh-keygen -q -t ed25519 -N '' -C livehal-lab -f "$directory/ssh/id"
fi

configure "$directory" livehal "${others[@]}" "${lab_layers[@]}" <<EOF2
LAB_KERNEL_SOURCE = "$build/kernel-source/linux-source-6.12.tar.xz"
DL_DIR = "$build/downloads"
SSTATE_DIR = "$build/sstate-cache"
BB_HASHSERVE_DB_DIR = "$build/sstate-cache"
LIVEHAL_SSH_KEYS = "$directory/ssh/id.pub"
LAB_DEBIAN = "$directory/debian"
RUST_EXTERNAL_SYSROOT = "$build/rust-aarch64/usr"
LAB_LIVE777_DEB = "${live777:-}"
require conf/$conf
EOF2
# Made anew: a link to a program that was found elsewhere would stay.
rm -rf "$directory/tmp/hosttools"
BITBAKE_TOOLS=$directory/tools:$lab/tools bitbake_env "$directory" bitbake "${targets[@]}"
