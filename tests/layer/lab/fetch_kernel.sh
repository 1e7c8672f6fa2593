#!/usr/bin/env bash
# fetch_kernel.sh DIRECTORY: Debian's source of the kernel, for the recipe linux-lab
#
# Leaves in DIRECTORY linux-source-6.12.tar.xz, its sha256, and the version of the package it is of. Says nothing
# where they are there already; remove the directory to have a newer one. LIVEHAL_VM_MIRROR: docs/vm.md
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../../scripts/lib.sh"
(($# == 1)) || fail "fetch_kernel.sh DIRECTORY"
package=linux-source-6.12
archive=$package.tar.xz

mkdir -p "$1"
cd "$1"
exec 9>.lock
flock 9
# The record is written last: without it the tarball may be half of one.
if [[ -e $archive.sha256 ]] && sha256sum --quiet --status --check "$archive.sha256"; then
    exit
fi
rm -f "$archive.sha256"

# apt checks the package against the signed archive, and goes on with half a one.
deb=$(PYTHONPATH=$root/tests/vm python3 - "$package" <<'PYTHON'
import sys
from pathlib import Path

from lab.cache import Cache, LabError
from lab.debian import Archive

try:
    archive = Archive(Cache(), "arm64")
    archive.update()
    print(archive.download(f"{sys.argv[1]}={archive.version(sys.argv[1])}", Path.cwd()).name)
except LabError as error:
    sys.exit(f"error: {error}")
PYTHON
)
dpkg-deb --fsys-tarfile "$deb" | tar -x --to-stdout "./usr/src/$archive" >"$archive"
dpkg-deb --field "$deb" Version >"$package.version"
sha256sum "$archive" >"$archive.new"
mv "$archive.new" "$archive.sha256"
rm "$deb"
