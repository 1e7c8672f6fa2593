SUMMARY = "Debian's packages under OpenEmbedded's names"
DESCRIPTION = "The base of the lab's image: each package is one of Debian's, its maintainer scripts left out, its users \
made as a recipe would make them."
LICENSE = "CLOSED"

require ${LAB_DEBIAN}/debian.inc

inherit livehal_debian useradd

SYSROOT_DIRS = ""

do_install () {
    rm -rf ${WORKDIR}/one ${WORKDIR}/files
    mkdir ${WORKDIR}/files
    for deb in ${LAB_DEBS}; do
        mkdir ${WORKDIR}/one
        lab_unpack ${LAB_DEBIAN}/debs $deb ${WORKDIR}/one
        (cd ${WORKDIR}/one && find . ! -type d -printf '/%P\n') >${WORKDIR}/files/$deb
        cp -a ${WORKDIR}/one/. ${D}
        rm -rf ${WORKDIR}/one
    done
    # As OpenEmbedded's recipe of systemd does: /var/log and /var/tmp, which its base-files has as links, are in memory.
    # Without them no unit with PrivateTmp= starts.
    volatile=${nonarch_libdir}/tmpfiles.d/00-create-volatile.conf
    install -m 0644 ${COREBASE}/meta/recipes-core/systemd/systemd/00-create-volatile.conf ${D}$volatile
    printf 'L ${localstatedir}/log - - - - ${localstatedir}/volatile/log\n' >>${D}$volatile
    echo $volatile >>${WORKDIR}/files/${LAB_DEB:debian-systemd}
    # Programs look for libraries and plug-ins by this name, too.
    ln -s . ${D}${libdir}/aarch64-linux-gnu
}

# Each file to the package it came with.
python lab_files () {
    for package in d.getVar('PACKAGES').split():
        with open(d.expand('${WORKDIR}/files/') + d.getVar('LAB_DEB:' + package)) as listing:
            files = listing.read().split('\n')[:-1]
        if any(set(name) & set(' []*?') for name in files):
            bb.fatal('%s: a name that is a pattern' % package)
        d.setVar('FILES:' + package, ' '.join(files))
    d.appendVar('FILES:debian-libc6', ' ${libdir}/aarch64-linux-gnu')
}
PACKAGESPLITFUNCS =+ "lab_files"

# Built, stripped, split and checked by Debian.
INHIBIT_PACKAGE_STRIP = "1"
INHIBIT_PACKAGE_DEBUG_SPLIT = "1"
EXCLUDE_FROM_SHLIBS = "1"
PACKAGE_ARCH = "${MACHINE_ARCH}"
ERROR_QA = ""
WARN_QA = ""

# What OpenEmbedded's recipe of systemd brings along.
RDEPENDS:debian-systemd:append = " debian-systemd-sysv debian-udev systemd-serialgetty volatile-binds"
RRECOMMENDS:debian-systemd = "os-release systemd-conf"
