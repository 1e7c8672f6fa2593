# Where the recipes of this project get their source.
#
# LIVEHAL_REVISION = ""      LIVEHAL_TREE, as it is on the disk: the tree that the layer sits in unless somebody
#                            sets another. Only what LIVEHAL_SOURCES names is copied: not target/, not what tests
#                            leave behind.
# LIVEHAL_REVISION = "SHA"   that commit, from LIVEHAL_GIT; for releases. Kas: kas/opt/release.yml.
#
# LIVEHAL_GIT is the repository of LIVEHAL_TREE unless somebody sets another, such as
# git://host/livehal.git;protocol=https

LIVEHAL_REVISION ?= ""
LIVEHAL_GIT ?= "git://${LIVEHAL_TREE};protocol=file"

# Cargo reads the manifest of every member of the workspace, the tests' too.
LIVEHAL_SOURCES ?= "Cargo.toml Cargo.lock LICENSES bench conf dbus services systemd tests/decoder tests/e2e tests/peer tests/rdk-standin"

def livehal_src_uri(d):
    revision = d.getVar('LIVEHAL_REVISION')
    if revision:
        if len(revision) != 40 or set(revision) - set('0123456789abcdef'):
            bb.fatal("LIVEHAL_REVISION = \"%s\" is not a commit: 40 hexadecimal digits, as from "
                     "`git rev-parse v0.1.0`" % revision)
        return "${LIVEHAL_GIT};nobranch=1;name=livehal;destsuffix=${BP}"
    return ' '.join('file://%s;subdir=${BP}' % path for path in d.getVar('LIVEHAL_SOURCES').split())

# nooelint: oelint.vars.fileextrapaths, oelint.vars.outofcontext - the sources are not beside the recipe
FILESEXTRAPATHS:prepend := "${LIVEHAL_TREE}:"
SRC_URI:prepend = "${@livehal_src_uri(d)} "
SRCREV_livehal = "${LIVEHAL_REVISION}"
SRCREV_FORMAT = "livehal"
S = "${UNPACKDIR}/${BP}"
