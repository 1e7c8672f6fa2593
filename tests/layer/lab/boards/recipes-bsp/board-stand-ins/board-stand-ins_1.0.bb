SUMMARY = "STAND-IN: empty packages, for what the boards' images have and the lab cannot build"
DESCRIPTION = "The decoder's module needs a kernel, libcamera and the firmware of wireless chips are in no archive that \
the lab reaches."
LICENSE = "MIT"

INHIBIT_DEFAULT_DEPS = "1"
do_configure[noexec] = "1"
do_compile[noexec] = "1"
do_install[noexec] = "1"

STAND_INS = "daedalus-v4l2"
STAND_INS:append:rpi = " \
    bluez-firmware-rpidistro-bcm4345c0-hcd bluez-firmware-rpidistro-bcm4345c5-hcd keymaps libcamera \
    linux-firmware-rpidistro-bcm43455 linux-firmware-rpidistro-bcm43456 udev-rules-rpi \
"
PROVIDES += "daedalus-v4l2"
PROVIDES:append:rpi = " libcamera"
PACKAGES = "${STAND_INS}"
python () {
    for package in d.getVar('STAND_INS').split():
        d.setVar('ALLOW_EMPTY:' + package, '1')
        d.setVar('SUMMARY:' + package, 'STAND-IN: nothing, in the place of ' + package)
}

PACKAGE_ARCH = "${MACHINE_ARCH}"
COMPATIBLE_MACHINE = "^(rpi|rdk-x5)$"
