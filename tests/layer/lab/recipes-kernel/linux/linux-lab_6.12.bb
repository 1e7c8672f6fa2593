SUMMARY = "Linux of the lab's image"
DESCRIPTION = "Debian's source with the fragments that every kernel of a livehal image has, and what QEMU's machine \
and systemd need. Kconfig's defaults for the rest: it builds in minutes and starts without an initrd."
SECTION = "kernel"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://COPYING;md5=6bc538ed5bd9a7fc9398086aedcd7e46"

inherit kernel
require recipes-kernel/linux/linux-livehal.inc

# The tarball that ../../fetch_kernel.sh leaves.
LAB_KERNEL_SOURCE ?= ""
SRC_URI = "\
    file://${LAB_KERNEL_SOURCE} \
    file://lab-camera.cfg \
    file://lab-machine.cfg \
    file://lab-systemd.cfg \
    file://vivid-never-sleep-for-less-than-nothing.patch \
"
S = "${UNPACKDIR}/linux-source-${PV}"

COMPATIBLE_MACHINE = "^qemuarm64$"

python () {
    if not d.getVar('LAB_KERNEL_SOURCE').startswith('/'):
        raise bb.parse.SkipRecipe("LAB_KERNEL_SOURCE = \"%s\" is not the path of a tarball; "
                                  "tests/layer/lab/fetch_kernel.sh fetches it" % d.getVar('LAB_KERNEL_SOURCE'))
}

# Kconfig's defaults, and what the fragments say.
python lab_gather_fragments () {
    from pathlib import Path

    Path(d.getVar('B'), 'fragments').write_text('\n'.join(Path(name).read_text() for name in find_cfgs(d)))
}
do_configure[prefuncs] += "lab_gather_fragments"
do_configure:prepend () {
    oe_runmake -C ${S} O=${B} KCONFIG_ALLCONFIG=${B}/fragments alldefconfig
}

# What depends on something that is not there, Kconfig leaves out and says nothing.
python lab_check_configuration () {
    import re
    from pathlib import Path

    def settings(path):
        for line in path.read_text().splitlines():
            setting = re.fullmatch(r'(CONFIG_\w+)=(.*)|# (CONFIG_\w+) is not set', line)
            if setting:
                yield setting[1] or setting[3], setting[2] or 'n'
            elif line and not line.startswith('#'):
                bb.fatal("%s: not understood: %s" % (path.name, line))

    fragments = [Path(name) for name in find_cfgs(d)]
    if not any(fragment.name.startswith('livehal-') for fragment in fragments):
        bb.fatal("no fragment of livehal is there: DISTRO = \"%s\"" % d.getVar('DISTRO'))
    found = dict(settings(Path(d.getVar('B'), '.config')))
    wrong = ["%s: %s is to be %s and is %s" % (fragment.name, option, wanted, found.get(option, 'n'))
             for fragment in fragments for option, wanted in settings(fragment)
             if found.get(option, 'n') != wanted]
    if wrong:
        bb.fatal("the kernel's configuration is not what the fragments ask for:\n%s" % '\n'.join(wrong))
}
do_configure[postfuncs] += "lab_check_configuration"
