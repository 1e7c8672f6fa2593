SUMMARY = "System settings of the images: watchdog, journal, names"
DESCRIPTION = "Drop-ins for systemd: the hardware watchdog, a bounded journal in memory, no listener besides avahi's."
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COREBASE}/meta/COPYING.MIT;md5=3da9cfbcb788c80a0384361b4de20420"

SRC_URI = "\
    file://journald.conf \
    file://resolved.conf \
    file://watchdog.conf \
"
S = "${UNPACKDIR}"

inherit allarch

INHIBIT_DEFAULT_DEPS = "1"
do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install () {
    install -D -m 0644 ${UNPACKDIR}/journald.conf ${D}${nonarch_libdir}/systemd/journald.conf.d/50-livehal.conf
    install -D -m 0644 ${UNPACKDIR}/resolved.conf ${D}${nonarch_libdir}/systemd/resolved.conf.d/50-livehal.conf
    install -D -m 0644 ${UNPACKDIR}/watchdog.conf ${D}${nonarch_libdir}/systemd/system.conf.d/50-livehal.conf
}

FILES:${PN} += "${nonarch_libdir}/systemd"
