SUMMARY = "Makes what a device shares with no other: token, certificate, name"
SUMMARY:${PN}-console = "Says address and token on the serial console; for development images"
DESCRIPTION = "Runs at first boot, before anything that needs them; what is there is left alone. Announces the device \
to the local network."
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COREBASE}/meta/COPYING.MIT;md5=3da9cfbcb788c80a0384361b4de20420"

SRC_URI = "\
    file://livehal-console \
    file://livehal-console.service \
    file://livehal-identity \
    file://livehal-identity.service \
    file://livehal.service \
"
S = "${UNPACKDIR}"

inherit allarch systemd

INHIBIT_DEFAULT_DEPS = "1"
do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install () {
    install -D -m 0755 ${UNPACKDIR}/livehal-identity ${D}${nonarch_libdir}/livehal/livehal-identity
    install -D -m 0644 ${UNPACKDIR}/livehal-identity.service \
        ${D}${systemd_system_unitdir}/livehal-identity.service
    install -D -m 0755 ${UNPACKDIR}/livehal-console ${D}${nonarch_libdir}/livehal/livehal-console
    install -D -m 0644 ${UNPACKDIR}/livehal-console.service \
        ${D}${systemd_system_unitdir}/livehal-console.service
    install -D -m 0644 ${UNPACKDIR}/livehal.service ${D}${sysconfdir}/avahi/services/livehal.service
}

# A token on a console is for development images alone.
PACKAGES =+ "${PN}-console"
SYSTEMD_PACKAGES = "${PN} ${PN}-console"
SYSTEMD_SERVICE:${PN} = "livehal-identity.service"
SYSTEMD_SERVICE:${PN}-console = "livehal-console.service"
# nooelint: oelint.var.filesoverride
FILES:${PN}-console = "\
    ${nonarch_libdir}/livehal/livehal-console \
    ${systemd_system_unitdir}/livehal-console.service \
"
FILES:${PN} += "${nonarch_libdir}/livehal ${systemd_system_unitdir}"
RDEPENDS:${PN}-console = "${PN}"
# The group livehal is live777's.
RDEPENDS:${PN} = "live777 openssl-bin"
