#!/usr/bin/env bash
# rootfs.sh ARCHITECTURE PACKAGES SUITE MIRROR OUT.tar
# The root file system of the VM as a tar archive: Debian, with packages separated by commas.
set -euo pipefail
architecture=$1 packages=$2 suite=$3 mirror=$4 out=$5

# The hook's $1 is the root file system.
# shellcheck disable=SC2016
mmdebstrap --variant=minbase --architectures="$architecture" --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
    --dpkgopt='force-unsafe-io' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --customize-hook='rm -f "$1"/etc/ssh/ssh_host_*' \
    "$suite" "$out" "$mirror"
