SUMMARY = "Updates from an Eclipse hawkBit server"
DESCRIPTION = "Configuration and sandbox of rauc-hawkbit-updater: the server is the build's, name and token are \
the device's. kas/opt/hawkbit.yml adds it to the images."
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COREBASE}/meta/COPYING.MIT;md5=3da9cfbcb788c80a0384361b4de20420"

SRC_URI = "\
    file://config.conf.in \
    file://livehal-hawkbit \
    file://livehal-hawkbit-policy.conf \
    file://livehal.conf \
"
S = "${UNPACKDIR}"
B = "${WORKDIR}/build"

PACKAGE_ARCH = "${MACHINE_ARCH}"

# Host, and port where it is not 443, of the server; has to be given.
LIVEHAL_HAWKBIT_SERVER ?= ""
LIVEHAL_HAWKBIT_TENANT ?= "DEFAULT"

python () {
    if not d.getVar('LIVEHAL_HAWKBIT_SERVER'):
        raise bb.parse.SkipRecipe("LIVEHAL_HAWKBIT_SERVER is not set: the host of your hawkBit server")
}

INHIBIT_DEFAULT_DEPS = "1"
do_configure[noexec] = "1"

do_compile () {
    sed -e 's|@SERVER@|${LIVEHAL_HAWKBIT_SERVER}|' -e 's|@TENANT@|${LIVEHAL_HAWKBIT_TENANT}|' \
        -e 's|@MACHINE@|${MACHINE}|' ${UNPACKDIR}/config.conf.in >${B}/hawkbit.conf.in
}

do_install () {
    install -D -m 0644 ${B}/hawkbit.conf.in ${D}${datadir}/livehal/hawkbit.conf.in
    install -D -m 0755 ${UNPACKDIR}/livehal-hawkbit ${D}${nonarch_libdir}/livehal/livehal-hawkbit
    install -D -m 0644 ${UNPACKDIR}/livehal.conf \
        ${D}${systemd_system_unitdir}/rauc-hawkbit-updater.service.d/livehal.conf
    install -D -m 0644 ${UNPACKDIR}/livehal-hawkbit-policy.conf \
        ${D}${sysconfdir}/dbus-1/system.d/livehal-hawkbit-policy.conf
}

FILES:${PN} += "\
    ${datadir}/livehal \
    ${nonarch_libdir}/livehal \
    ${systemd_system_unitdir} \
"
RDEPENDS:${PN} = "rauc-hawkbit-updater"
