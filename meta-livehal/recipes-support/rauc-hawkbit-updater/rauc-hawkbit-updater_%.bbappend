# The client of a hawkBit server; kas/opt/hawkbit.yml.
FILESEXTRAPATHS:prepend:livehal := "${THISDIR}/${BPN}:"
SRC_URI:append:livehal = "\
    file://config.conf.in \
    file://livehal-hawkbit \
    file://livehal.conf \
"

# Host (and port) of the server.
LIVEHAL_HAWKBIT_SERVER ?= ""
LIVEHAL_HAWKBIT_TENANT ?= "DEFAULT"

python () {
    if 'livehal' not in d.getVar('OVERRIDES').split(':'):
        return
    if d.getVar('LIVEHAL_FLEET') == 'hawkbit' and not d.getVar('LIVEHAL_HAWKBIT_SERVER'):
        raise bb.parse.SkipRecipe("LIVEHAL_HAWKBIT_SERVER is not set: the host of your hawkBit server")
}

do_install:append:livehal () {
    rm -f ${D}${sysconfdir}/${PN}/config.conf
    install -d ${D}${datadir}/livehal
    sed -e 's|@SERVER@|${LIVEHAL_HAWKBIT_SERVER}|' -e 's|@TENANT@|${LIVEHAL_HAWKBIT_TENANT}|' \
        -e 's|@MACHINE@|${MACHINE}|' ${UNPACKDIR}/config.conf.in >${D}${datadir}/livehal/hawkbit.conf.in
    install -D -m 0755 ${UNPACKDIR}/livehal-hawkbit ${D}${nonarch_libdir}/livehal/livehal-hawkbit
    install -D -m 0644 ${UNPACKDIR}/livehal.conf \
        ${D}${systemd_system_unitdir}/rauc-hawkbit-updater.service.d/livehal.conf
}

FILES:${PN}:append:livehal = " ${datadir}/livehal ${nonarch_libdir}/livehal ${systemd_system_unitdir}"
