SUMMARY = "Stands for pseudo-native where Debian's pseudo is used"
DESCRIPTION = "Has nothing in it: FAKEROOTCMD names the program."
LICENSE = "MIT"

inherit native nopackages

PROVIDES = "virtual/fakeroot-native pseudo-native"
INHIBIT_DEFAULT_DEPS = "1"
deltask do_fetch
deltask do_unpack
deltask do_patch
do_configure[noexec] = "1"
do_compile[noexec] = "1"
do_install[noexec] = "1"
