SUMMARY = "Writable /etc and /var/lib on the data partition"
DESCRIPTION = "What mounts them, so that settings and what services keep outlive a reboot and an update while the \
system stays read-only; and what says so when the data partition cannot keep anything."
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COREBASE}/meta/COPYING.MIT;md5=3da9cfbcb788c80a0384361b4de20420"

SRC_URI = "\
    file://livehal-mount-state \
    file://livehal-state-check.service \
"
S = "${UNPACKDIR}"

inherit overlayfs systemd

# Where OVERLAYFS_MOUNT_POINT[data] is not set, there is no data partition.
COMPATIBLE_MACHINE = "^(raspberrypi5|rdk-x5|qemuarm64)$"
PACKAGE_ARCH = "${MACHINE_ARCH}"

OVERLAYFS_WRITABLE_PATHS[data] = "/var/lib"

INHIBIT_DEFAULT_DEPS = "1"
do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install () {
    install -D -m 0755 ${UNPACKDIR}/livehal-mount-state ${D}${nonarch_libdir}/livehal/livehal-mount-state
    install -D -m 0644 ${UNPACKDIR}/livehal-state-check.service \
        ${D}${systemd_system_unitdir}/livehal-state-check.service
}

SYSTEMD_SERVICE:${PN} = "livehal-state-check.service"
FILES:${PN} += "${nonarch_libdir}/livehal ${systemd_system_unitdir}"
# Before systemd: files/preinit.sh.in runs the first.
RDEPENDS:${PN} = "e2fsprogs-e2fsck e2fsprogs-mke2fs"
