SUMMARY = "RAUC's slots on this machine, whom it trusts, and who may use it"
DESCRIPTION = "system.conf of the machine, the keyring that bundles are checked with, and a bus policy that lets \
root alone install."
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COREBASE}/meta/COPYING.MIT;md5=3da9cfbcb788c80a0384361b4de20420"
# nooelint: oelint.vars.specific - the machine of meta-livehal-rdk-x5
DEPENDS:append:rdk-x5 = " u-boot-tools-native"

inherit deploy livehal_signing

SRC_URI = "\
    file://system.conf \
    file://livehal-rauc-policy.conf \
"
# Where U-Boot keeps its counters, and what they are while nothing was written there.
# nooelint: oelint.vars.specific - the machine of meta-livehal-rdk-x5
SRC_URI:append:rdk-x5 = " file://fw_env.config file://u-boot-initial-env"
S = "${UNPACKDIR}"

PACKAGE_ARCH = "${MACHINE_ARCH}"

INHIBIT_DEFAULT_DEPS = "1"
do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install () {
    install -D -m 0644 ${UNPACKDIR}/system.conf ${D}${nonarch_libdir}/rauc/system.conf
    install -m 0644 ${RAUC_KEYRING_FILE} ${D}${nonarch_libdir}/rauc/keyring.pem
    install -D -m 0644 ${UNPACKDIR}/livehal-rauc-policy.conf \
        ${D}${sysconfdir}/dbus-1/system.d/livehal-rauc-policy.conf
    # RAUC keeps what it knows of the slots there.
    install -d ${D}${localstatedir}/lib/rauc
}
do_install:append:rdk-x5 () {
    install -m 0644 ${UNPACKDIR}/fw_env.config ${UNPACKDIR}/u-boot-initial-env ${D}${sysconfdir}
}

# The counters of a fresh card, for the disk image: a card that was used before has old ones there.
do_deploy () {
    :
}
do_deploy:rdk-x5 () {
    size=$(awk '/^\/dev\// { print $3 }' ${UNPACKDIR}/fw_env.config)
    mkenvimage -s $size -p 0 -o ${DEPLOYDIR}/livehal-boot-env-${MACHINE}.bin ${UNPACKDIR}/u-boot-initial-env
    chmod 0644 ${DEPLOYDIR}/livehal-boot-env-${MACHINE}.bin
}
addtask deploy after do_unpack do_prepare_recipe_sysroot before do_build

python livehal_keyring () {
    livehal_signing_files(d, 'RAUC_KEYRING_FILE')
}
do_install[prefuncs] += "livehal_keyring"
do_install[depends] += "${LIVEHAL_KEYS_TASK}"
do_install[file-checksums] += "${RAUC_KEYRING_FILE}:${@os.path.exists(d.getVar('RAUC_KEYRING_FILE'))}"

FILES:${PN} += "\
    ${nonarch_libdir}/rauc \
    ${sysconfdir}/dbus-1 \
    ${sysconfdir}/fw_env.config \
    ${sysconfdir}/u-boot-initial-env \
    ${localstatedir}/lib/rauc \
"
# The programs that RAUC reads and writes them with; it fails without.
# nooelint: oelint.vars.specific - the machine of meta-livehal-rdk-x5
RDEPENDS:${PN}:append:rdk-x5 = " libubootenv-bin"
# Another distribution's RAUC keeps its configuration.
RPROVIDES:${PN}:append:livehal = " virtual-rauc-conf"
RCONFLICTS:${PN} = "rauc-conf"

COMPATIBLE_MACHINE = "^(raspberrypi5|rdk-x5|qemuarm64)$"
EXCLUDE_FROM_WORLD = "1"
