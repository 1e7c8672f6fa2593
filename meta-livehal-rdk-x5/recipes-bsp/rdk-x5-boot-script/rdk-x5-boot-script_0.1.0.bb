SUMMARY = "boot.scr for the U-Boot in the NAND of an RDK X5"
DESCRIPTION = "U-Boot's distro boot runs /boot.scr of the first active partition of the card. The script \
loads kernel and device tree from the root file system it starts."
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COREBASE}/meta/COPYING.MIT;md5=3da9cfbcb788c80a0384361b4de20420"
DEPENDS = "u-boot-tools-native"

inherit deploy

SRC_URI = "file://boot.cmd"
S = "${UNPACKDIR}"

PACKAGE_ARCH = "${MACHINE_ARCH}"

INHIBIT_DEFAULT_DEPS = "1"
do_configure[noexec] = "1"

do_compile () {
    mkimage -A arm64 -O linux -T script -C none -n "RDK X5 boot script" -d ${UNPACKDIR}/boot.cmd boot.scr
}

# What runs is on the first partition; this copy is for looking it up.
do_install () {
    install -D -m 0644 ${UNPACKDIR}/boot.cmd ${D}${datadir}/rdk-x5/boot.cmd
}

do_deploy () {
    install -m 0644 boot.scr ${DEPLOYDIR}/boot.scr
}
do_deploy[dirs] = "${B}"
addtask deploy after do_compile before do_build

FILES:${PN} += "${datadir}/rdk-x5"

COMPATIBLE_MACHINE = "^rdk-x5$"
