SUMMARY = "Cameras: what the images need beyond their BSPs"
LICENSE = "MIT"

PACKAGE_ARCH = "${MACHINE_ARCH}"

inherit packagegroup

# LIVEHAL_HOBOT = "1": the vendor's encoder library of RDK X5, whose licence has to be accepted;
# see meta-livehal-rdk-x5/README.md.
LIVEHAL_HOBOT ?= "0"

RDEPENDS:${PN} = "media-ctl"
# With meta-raspberrypi, libcamera has the pipeline of the Pi 5 (rpi/pisp).
RDEPENDS:${PN}:append:rpi = " libcamera"
RDEPENDS:${PN}:append:rdk-x5 = " ${@bb.utils.contains('LIVEHAL_HOBOT', '1', 'hobot-multimedia', '', d)}"
