SUMMARY = "Who may log in to a development image by ssh"
DESCRIPTION = "LIVEHAL_SSH_KEYS is a file of public keys, in the form of authorized_keys. Without it \
nobody can log in: no account has a password."
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://${COREBASE}/meta/COPYING.MIT;md5=3da9cfbcb788c80a0384361b4de20420"

LIVEHAL_SSH_KEYS ?= ""
SRC_URI = "${@'file://%s' % d.getVar('LIVEHAL_SSH_KEYS') if d.getVar('LIVEHAL_SSH_KEYS') else ''}"
S = "${UNPACKDIR}"

inherit allarch

INHIBIT_DEFAULT_DEPS = "1"
do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install () {
    install -d -m 0700 ${D}${ROOT_HOME} ${D}${ROOT_HOME}/.ssh
    if [ -n "${LIVEHAL_SSH_KEYS}" ]; then
        install -m 0600 ${UNPACKDIR}/${LIVEHAL_SSH_KEYS} ${D}${ROOT_HOME}/.ssh/authorized_keys
    fi
}

FILES:${PN} += "${ROOT_HOME}"
ALLOW_EMPTY:${PN} = "1"
