SUMMARY = "live777's configuration of an image: TLS, a token, every network"
DESCRIPTION = "Instead of live777-conf. The certificate and the token that it names are made by \
livehal-identity at first boot."
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COREBASE}/meta/COPYING.MIT;md5=3da9cfbcb788c80a0384361b4de20420"

SRC_URI = "file://live777.toml"
S = "${UNPACKDIR}"

# A machine may have a live777.toml of its own.
PACKAGE_ARCH = "${MACHINE_ARCH}"

INHIBIT_DEFAULT_DEPS = "1"
do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install () {
    install -D -m 0644 ${UNPACKDIR}/live777.toml ${D}${sysconfdir}/livehal/live777.toml
}

FILES:${PN} += "${sysconfdir}/livehal/live777.toml"
CONFFILES:${PN} = "${sysconfdir}/livehal/live777.toml"
RPROVIDES:${PN} = "virtual-live777-conf"
RCONFLICTS:${PN} = "live777-conf"
