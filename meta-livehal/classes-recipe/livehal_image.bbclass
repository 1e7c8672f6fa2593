# What the images have in common.

inherit core-image features_check

REQUIRED_DISTRO_FEATURES = "overlayfs rauc systemd usrmerge"
COMPATIBLE_MACHINE = "^(raspberrypi5|rdk-x5|qemuarm64)$"

# A system that is never written, with settings in an overlay on the data partition.
IMAGE_FEATURES += "overlayfs-etc read-only-rootfs"
IMAGE_INSTALL = "\
    packagegroup-core-boot \
    packagegroup-livehal \
    ${CORE_IMAGE_EXTRA_INSTALL} \
"
# The kernel is in the slot, except where the firmware reads it from a FAT partition.
IMAGE_INSTALL:append:rdk-x5 = " kernel-image kernel-devicetree rdk-x5-boot-script"

# RAUC recommends it. It asks the board's boot-selection program, which is not there yet (docs/update.md),
# and would fail at every boot. Not BAD_RECOMMENDATIONS: images of Debian packages take no notice of that.
PACKAGE_EXCLUDE:append:raspberrypi5 = " rauc-mark-good"
PACKAGE_EXCLUDE:append:rdk-x5 = " rauc-mark-good"

# ext4 is what a slot holds: the disk image and the bundle carry the same bytes, so that an
# update can leave out what the slot already has.
IMAGE_FSTYPES = "ext4 wic.zst wic.bmap"
# nooelint: oelint.vars.specific, oelint.vars.mispell
IMAGE_TYPEDEP:wic = "ext4"
WICVARS:append = " IMGDEPLOYDIR IMAGE_LINK_NAME"
IMAGE_FSTYPES:append:qemuarm64 = " wic"
IMAGE_ROOTFS_EXTRA_SPACE = "0"
IMAGE_OVERHEAD_FACTOR = "1.1"
# The bundle's block-hash-index divides an image into blocks of 4 KiB and refuses what is left over. The file system's
# own blocks are as large: below 512 MB mke2fs would take 1 KiB, and what did not change would be in other blocks.
IMAGE_ROOTFS_ALIGNMENT = "4"
# nooelint: oelint.vars.specific
EXTRA_IMAGECMD:ext4 = "-i 4096 -b 4096"
# An image that does not fit into a slot is not made.
IMAGE_ROOTFS_MAXSIZE = "${LIVEHAL_SLOT_KIB}"

# mount points that have to be there before anything can be mounted
livehal_mount_points () {
    install -d ${IMAGE_ROOTFS}${OVERLAYFS_ETC_MOUNT_POINT}
    install -d ${IMAGE_ROOTFS}/proc ${IMAGE_ROOTFS}/sys ${IMAGE_ROOTFS}/run
}
ROOTFS_POSTPROCESS_COMMAND += "livehal_mount_points"

# Which build this is: /etc/os-release has the version, this has the revision.
IMAGE_CLASSES += "image-buildinfo"

do_image_wic[depends] += "${LIVEHAL_WIC_DEPENDS}"
LIVEHAL_WIC_DEPENDS ?= ""
# No boot loader is in an image: none is built.
WKS_FILE_DEPENDS = "${WKS_FILE_DEPENDS_DEFAULT}"
LIVEHAL_WIC_DEPENDS:raspberrypi5 = "livehal-boot-image:do_deploy"
LIVEHAL_WIC_DEPENDS:rdk-x5 = "rdk-x5-boot-script:do_deploy livehal-rauc-conf:do_deploy"
