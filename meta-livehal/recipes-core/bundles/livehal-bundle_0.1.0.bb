SUMMARY = "Update bundle for RAUC"
DESCRIPTION = "A signed bundle with the file system of a slot. Its payload is read through dm-verity, and \
blocks that a device already has are not fetched again."
LICENSE = "MIT"

SRC_URI = ""

inherit livehal_signing bundle

# Which image: livehal-image, or livehal-image-release.
LIVEHAL_BUNDLE_IMAGE ?= "${@'livehal-image-release' if d.getVar('LIVEHAL_RELEASE') == '1' else 'livehal-image'}"

RAUC_BUNDLE_COMPATIBLE = "livehal-${MACHINE}"
RAUC_BUNDLE_VERSION = "${DISTRO_VERSION}"
RAUC_BUNDLE_DESCRIPTION = "livehal ${DISTRO_VERSION} for ${MACHINE}"
RAUC_BUNDLE_FORMAT = "verity"

RAUC_BUNDLE_SLOTS = "rootfs"
RAUC_SLOT_rootfs = "${LIVEHAL_BUNDLE_IMAGE}"
RAUC_SLOT_rootfs[fstype] = "ext4"
RAUC_SLOT_rootfs[adaptive] = "block-hash-index"

# The firmware of a Pi reads kernel and device trees from FAT: each slot has its own.
RAUC_BUNDLE_SLOTS:append:raspberrypi5 = " boot"
RAUC_SLOT_boot = "livehal-boot-image"
RAUC_SLOT_boot[type] = "file"
RAUC_SLOT_boot[file] = "livehal-boot-${MACHINE}.vfat"
RAUC_SLOT_boot[rename] = "boot.vfat"

python livehal_keys () {
    livehal_signing_files(d, 'RAUC_KEY_FILE', 'RAUC_CERT_FILE')
}
do_bundle[prefuncs] += "livehal_keys"
do_bundle[depends] += "${LIVEHAL_KEYS_TASK}"

# A key in a token: OpenSSL reads it by libp11's engine, and that by the token's own module, a file of the machine
# that builds. The PIN is where the URI's pin-source says: it is in no log and in no task's script.
RAUC_PKCS11_MODULE ?= ""
python () {
    names = ('RAUC_CERT_FILE', 'RAUC_KEY_FILE')
    if not any(d.getVar(name).startswith('pkcs11:') for name in names):
        return
    if not d.getVar('RAUC_PKCS11_MODULE'):
        raise bb.parse.SkipRecipe("the key is in a token: set RAUC_PKCS11_MODULE to the path of the token's module")
    d.appendVar('DEPENDS', ' libp11-native')
    d.setVar('OPENSSL_ENGINES', '${STAGING_LIBDIR_NATIVE}/engines-3')
    for name in ('OPENSSL_ENGINES', 'RAUC_PKCS11_MODULE'):
        d.setVarFlag(name, 'export', '1')
    # No file, as meta-rauc's class takes it for: BitBake would warn that it is not there.
    files = [d.getVar(name) for name in names if not d.getVar(name).startswith('pkcs11:')]
    d.setVarFlag('do_bundle', 'file-checksums', ' '.join('%s:False' % file for file in files))
}

COMPATIBLE_MACHINE = "^(raspberrypi5|rdk-x5|qemuarm64)$"
EXCLUDE_FROM_WORLD = "1"
