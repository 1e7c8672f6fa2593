SUMMARY = "Debian's headers and libraries, to compile against"
DESCRIPTION = "Stands for the recipes that debian-dev.txt names, where others are compiled."
LICENSE = "CLOSED"

require ${LAB_DEBIAN}/debian-dev.inc

inherit livehal_debian nopackages

do_install[noexec] = "1"
SYSROOT_DIRS = ""
lab_sysroot () {
    for deb in ${LAB_DEBS}; do
        lab_unpack ${LAB_DEBIAN}/dev $deb ${SYSROOT_DESTDIR}
    done
    rm -rf ${SYSROOT_DESTDIR}/etc ${SYSROOT_DESTDIR}/var ${SYSROOT_DESTDIR}${bindir} ${SYSROOT_DESTDIR}${sbindir}
    ln -s . ${SYSROOT_DESTDIR}${libdir}/aarch64-linux-gnu
    ln -s usr/lib ${SYSROOT_DESTDIR}/lib
}
SYSROOT_PREPROCESS_FUNCS += "lab_sysroot"

INHIBIT_SYSROOT_STRIP = "1"
