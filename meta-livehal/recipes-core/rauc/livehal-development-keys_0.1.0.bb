SUMMARY = "Keys that sign update bundles of development builds"
DESCRIPTION = "Made when first needed, kept in LIVEHAL_KEYS_DIR, never part of the repository. Devices that \
were built with them accept bundles of this build directory only."
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COREBASE}/meta/COPYING.MIT;md5=3da9cfbcb788c80a0384361b4de20420"
DEPENDS = "openssl-native"

inherit allarch livehal_signing nopackages

INHIBIT_DEFAULT_DEPS = "1"
EXCLUDE_FROM_WORLD = "1"

SRC_URI = "file://livehal-development-keys"
S = "${UNPACKDIR}"

do_generate () {
    sh ${UNPACKDIR}/livehal-development-keys ${LIVEHAL_KEYS_DIR}
}
do_generate[dirs] = "${WORKDIR}"
addtask generate after do_unpack do_prepare_recipe_sysroot before do_build
