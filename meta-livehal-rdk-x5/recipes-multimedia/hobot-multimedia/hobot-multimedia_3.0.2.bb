SUMMARY = "The vendor's libraries of the H.264 encoder on D-Robotics X5"
DESCRIPTION = "Binaries. The repository has the text of Apache-2.0 and headers that reserve all rights; whoever \
builds them in accepts that, by LICENSE_FLAGS_ACCEPTED += \"commercial_d-robotics\"."
HOMEPAGE = "https://github.com/D-Robotics/x5-hobot-multimedia"
SECTION = "multimedia"
LICENSE = "Apache-2.0"
LICENSE_FLAGS = "commercial_d-robotics"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

SRC_URI = "git://github.com/D-Robotics/x5-hobot-multimedia.git;protocol=https;branch=develop"
SRCREV = "720998964f50769642eec92d92bb4d3afa9d81f8"

PACKAGE_ARCH = "${MACHINE_ARCH}"

INHIBIT_DEFAULT_DEPS = "1"
INHIBIT_PACKAGE_STRIP = "1"
INHIBIT_PACKAGE_DEBUG_SPLIT = "1"
do_configure[noexec] = "1"
do_compile[noexec] = "1"

# The libraries look for each other and for their firmware here.
HOBOT = "/usr/hobot/lib"

# The encoder needs these and no other of the package.
do_install () {
    install -d ${D}${HOBOT}/firmware/libmm
    for library in libalog.so.1.0.1 libhbmem.so.1.0.0 libmultimedia.so.1.2.3; do
        install -m 0755 ${S}/debian${HOBOT}/$library ${D}${HOBOT}
        ln -s $library ${D}${HOBOT}/${library%.*.*}
    done
    install -m 0644 ${S}/debian${HOBOT}/firmware/libmm/chagall.bin ${D}${HOBOT}/firmware/libmm
    install -d ${D}${sysconfdir}/ld.so.conf.d
    echo ${HOBOT} >${D}${sysconfdir}/ld.so.conf.d/hobot-multimedia.conf
}

FILES:${PN} += "${HOBOT} ${sysconfdir}/ld.so.conf.d"
# Binaries of somebody else's tool chain, for glibc 2.34 and newer.
# nooelint: oelint.vars.insaneskip - nothing of it is built here
INSANE_SKIP:${PN} = "already-stripped ldflags libdir"
RDEPENDS:${PN} = "glibc libgcc libstdc++"

COMPATIBLE_MACHINE = "^rdk-x5$"
