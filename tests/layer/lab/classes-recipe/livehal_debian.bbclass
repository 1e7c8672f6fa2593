# A recipe of Debian's packages: debian.py fetched them and wrote what it requires.

do_configure[noexec] = "1"
do_compile[noexec] = "1"
INHIBIT_DEFAULT_DEPS = "1"
PACKAGE_ARCH = "${MACHINE_ARCH}"
# Where they are is no reason to unpack them again; their names have their versions.
LAB_DEBIAN[vardepvalue] = ""

# lab_unpack DIRECTORY DEB DESTINATION: a package's files, where OpenEmbedded has them: libraries straight in /usr/lib,
# where the dynamic loader needs no link to itself.
lab_unpack () {
    dpkg-deb --fsys-tarfile "$1/$2" | tar -x -C "$3" --no-same-owner --transform 's,^\./\(lib\|s*bin\)\(/\|$\),./usr/\1\2,;s,^\./usr/lib/aarch64-linux-gnu,./usr/lib,' \
        --exclude './usr/lib/ld-linux-aarch64.so.1' --exclude './usr/share/doc' --exclude './usr/share/man' --exclude './usr/share/info' --exclude './usr/share/locale' \
        --exclude './usr/share/lintian' --exclude './usr/share/bug' --exclude './usr/lib/sysusers.d/basic.conf'
}
