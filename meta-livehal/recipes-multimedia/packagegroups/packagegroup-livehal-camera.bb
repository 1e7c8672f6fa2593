SUMMARY = "Cameras: what the images need beyond their BSPs"
DESCRIPTION = "libcamera where meta-raspberrypi gives it the pipeline of the Pi 5, tools for media graphs, the \
vendor's encoder on RDK X5."
LICENSE = "MIT"

PACKAGE_ARCH = "${MACHINE_ARCH}"

inherit packagegroup

# LIVEHAL_HOBOT = "1": the vendor's encoder library of RDK X5, whose licence has to be accepted;
# see meta-livehal-rdk-x5/README.md.
LIVEHAL_HOBOT ?= "0"

RDEPENDS:${PN} = "media-ctl"
# With meta-raspberrypi, libcamera has the pipeline of the Pi 5 (rpi/pisp).
# nooelint: oelint.vars.specific - an override of meta-raspberrypi
RDEPENDS:${PN}:append:rpi = " libcamera"
# nooelint: oelint.vars.specific - the machine of meta-livehal-rdk-x5
RDEPENDS:${PN}:append:rdk-x5 = " ${@bb.utils.contains('LIVEHAL_HOBOT', '1', 'hobot-multimedia', '', d)}"
