SUMMARY = "The FAT partitions of a Raspberry Pi with two slots"
DESCRIPTION = "livehal-boot-*.vfat has what the firmware reads: its files, kernel, device trees, the command \
lines of both slots. The disk image and the update bundle carry the same file. livehal-boot-select-*.vfat has \
autoboot.txt, which says which of the two boot partitions is used."
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COREBASE}/meta/COPYING.MIT;md5=3da9cfbcb788c80a0384361b4de20420"
DEPENDS = "dosfstools-native mtools-native"

inherit deploy nopackages

SRC_URI = "file://autoboot.txt"
S = "${UNPACKDIR}"

INHIBIT_DEFAULT_DEPS = "1"
# Sizes of the partitions in files/wic/livehal-raspberrypi5.wks. MiB.
LIVEHAL_BOOT_MIB = "128"
LIVEHAL_SELECT_MIB = "16"

do_configure[noexec] = "1"
do_compile[noexec] = "1"
do_install[noexec] = "1"

python livehal_list_boot_files () {
    # One line a file: where it is in the deploy directory, tab, its name on the partition.
    from oe.bootfiles import get_boot_files
    files = get_boot_files(d.getVar('DEPLOY_DIR_IMAGE'), d.getVar('IMAGE_BOOT_FILES'))
    if not files:
        bb.fatal("IMAGE_BOOT_FILES names nothing that is in %s" % d.getVar('DEPLOY_DIR_IMAGE'))
    with open(d.expand('${WORKDIR}/boot-files'), 'w') as out:
        for source, target in sorted(files, key=lambda f: f[1]):
            out.write('%s\t%s\n' % (source, target))
}

# Files have a fixed age: the same files make the same image. --invariant sets a volume ID, too, so ours comes after it.
livehal_vfat () {
    rm -f "$1"
    truncate -s "$2M" "$1"
    mkfs.vfat --invariant -n "$3" -i "$4" "$1"
}

do_deploy () {
    export MTOOLS_SKIP_CHECK=1
    boot=${DEPLOYDIR}/livehal-boot-${MACHINE}.vfat
    livehal_vfat $boot ${LIVEHAL_BOOT_MIB} LIVEHAL 4c48424f
    while IFS="$(printf '\t')" read -r source target; do
        directory=$(dirname "$target")
        [ "$directory" = . ] || mmd -D s -i $boot "::$directory" || true
        mcopy -n -i $boot "${DEPLOY_DIR_IMAGE}/$source" "::$target"
    done <${WORKDIR}/boot-files

    select=${DEPLOYDIR}/livehal-boot-select-${MACHINE}.vfat
    livehal_vfat $select ${LIVEHAL_SELECT_MIB} SELECT 4c485345
    mcopy -i $select ${UNPACKDIR}/autoboot.txt ::autoboot.txt
}
do_deploy[prefuncs] += "livehal_list_boot_files"
do_deploy[dirs] += "${WORKDIR}"
do_deploy[depends] += "virtual/kernel:do_deploy rpi-bootfiles:do_deploy rpi-config:do_deploy rpi-cmdline:do_deploy"
addtask deploy after do_unpack do_prepare_recipe_sysroot before do_build

COMPATIBLE_MACHINE = "^rpi$"
PACKAGE_ARCH = "${MACHINE_ARCH}"
EXCLUDE_FROM_WORLD = "1"
