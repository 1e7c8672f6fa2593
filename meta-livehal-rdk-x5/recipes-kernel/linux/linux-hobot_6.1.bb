SUMMARY = "Linux for D-Robotics X5"
DESCRIPTION = "The vendor's kernel. Its Kconfig reads that of the camera drivers, which are a repository of \
their own: without it nothing can be configured."
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://COPYING;md5=6bc538ed5bd9a7fc9398086aedcd7e46"

inherit kernel kernel-yocto

LINUX_VERSION = "6.1.83"
LINUX_VERSION_EXTENSION = "-hobot"
PV = "${LINUX_VERSION}+git"

# Release 3.4.0 of the kernel, and the newest camera drivers.
SRCREV_kernel = "1d877de8e132948611eb62906be14b1bab3ba28a"
SRCREV_camsys = "242c4e40c7d236575ec5e46cea6f770087f54a0d"
SRCREV_FORMAT = "kernel_camsys"
SRC_URI = "\
    git://github.com/D-Robotics/x5-kernel.git;protocol=https;branch=main;name=kernel;destsuffix=${BP} \
    git://github.com/D-Robotics/x5-drv-camsys.git;protocol=https;branch=develop;name=camsys;destsuffix=${BP}/drivers/media/platform/horizon/camsys \
    file://rdk-x5.cfg \
"
S = "${UNPACKDIR}/${BP}"

KBUILD_DEFCONFIG = "hobot_x5_rdk_ubuntu_defconfig"
KCONFIG_MODE = "--alldefconfig"
KMETA = ""

COMPATIBLE_MACHINE = "^rdk-x5$"
