# STAND-IN for compiling it again for each board: the program of qemuarm64's package, with the backends of that
# machine. All else is the recipe's.
do_compile () {
    mkdir -p ${B}/target/${CARGO_TARGET_SUBDIR}
    dpkg-deb --fsys-tarfile ${LAB_LIVE777_DEB} | tar -xO ./usr/bin/live777 >${B}/target/${CARGO_TARGET_SUBDIR}/live777
    chmod 0755 ${B}/target/${CARGO_TARGET_SUBDIR}/live777
}
do_compile[file-checksums] += "${LAB_LIVE777_DEB}:True"
# Where it is, is no reason to take it again.
LAB_LIVE777_DEB[vardepvalue] = ""
# That package's program has been stripped.
INSANE_SKIP:${PN} += "already-stripped"
