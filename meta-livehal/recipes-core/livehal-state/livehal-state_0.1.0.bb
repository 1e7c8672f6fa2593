SUMMARY = "Writable /var/lib on the data partition"
DESCRIPTION = "An overlay over /var/lib, so that what services keep outlives a reboot and an update \
while the system stays read-only."
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COREBASE}/meta/COPYING.MIT;md5=3da9cfbcb788c80a0384361b4de20420"

SRC_URI = ""

inherit overlayfs

# Where OVERLAYFS_MOUNT_POINT[data] is not set, there is no data partition.
COMPATIBLE_MACHINE = "^(raspberrypi5|rdk-x5|qemuarm64)$"
PACKAGE_ARCH = "${MACHINE_ARCH}"

OVERLAYFS_WRITABLE_PATHS[data] = "/var/lib"

INHIBIT_DEFAULT_DEPS = "1"
do_configure[noexec] = "1"
do_compile[noexec] = "1"
