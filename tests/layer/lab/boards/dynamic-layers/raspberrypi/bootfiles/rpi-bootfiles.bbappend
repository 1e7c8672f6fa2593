# STAND-IN for the firmware, which is in no archive that the lab reaches: its names.
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COREBASE}/meta/COPYING.MIT;md5=3da9cfbcb788c80a0384361b4de20420"
RPIFW_SRC_URI = ""
RPIFW_S = "${WORKDIR}/stand-in"
do_deploy:prepend () {
    rm -rf ${S}
    mkdir -p ${S}
    for name in bootcode.bin fixup4.dat fixup4cd.dat start4.elf start4cd.elf; do
        echo "STAND-IN for $name" >${S}/$name
    done
}
