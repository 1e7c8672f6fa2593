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

do_bundle[depends] += "${LIVEHAL_KEYS_TASK}"

COMPATIBLE_MACHINE = "^(raspberrypi5|rdk-x5|qemuarm64)$"
EXCLUDE_FROM_WORLD = "1"
