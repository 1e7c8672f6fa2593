SUMMARY = "STAND-IN: no kernel; files under the names of a board's kernel and device trees"
DESCRIPTION = "The boards' kernels are in no archive that the lab reaches. openembedded-core's own classes package and \
deploy what this makes, as they would the kernel. It does not start."
SECTION = "kernel"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COREBASE}/meta/COPYING.MIT;md5=3da9cfbcb788c80a0384361b4de20420"

inherit kernel

SRC_URI = "file://source"
S = "${UNPACKDIR}/source"

COMPATIBLE_MACHINE = "^(rpi|rdk-x5)$"
